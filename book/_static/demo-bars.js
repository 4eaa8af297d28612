// Bars behind grey pixels: an answer between the mean of all that fits (t = 0) and one of them, drawn at random (t = 1).
// Its expected squared error is (1 + t²) times that of the mean, as each draw and the average over many show.
document.addEventListener("DOMContentLoaded", () => {
  const SHAPES = { ".": [0, 0, 0, 0], t: [1, 1, 0, 0], b: [0, 0, 1, 1], l: [1, 0, 1, 0], r: [0, 1, 0, 1] };
  const BARS = "tblr";
  document.querySelectorAll(".demo-bars").forEach((place) => {
    const pictures = place.dataset.pictures.split(" "), columns = Number(place.dataset.columns);
    const rows = pictures[0].length / columns;
    place.innerHTML = `
      <div class="demo-panes"></div>
      <div class="demo-controls">
        <label>From the mean to a draw <input type="range" min="0" max="1" step="0.05" value="1"></label>
        <button type="button">Draw again</button> <button type="button">Another picture</button>
        <output aria-live="polite"></output>
      </div>`;
    const pane = (name, cell) => {
      const figure = document.createElement("figure"), canvas = document.createElement("canvas");
      const caption = document.createElement("figcaption");
      canvas.width = cell * columns;
      canvas.height = cell * rows;
      canvas.setAttribute("role", "img");
      caption.textContent = name;
      figure.append(canvas, caption);
      place.querySelector(".demo-panes").append(figure);
      return canvas;
    };
    const small = pane("what is known", 1), answer = pane("the answer", 2), truth = pane("what was there", 2);
    const paint = (canvas, values, says) => {
      const context = canvas.getContext("2d"), image = context.createImageData(canvas.width, canvas.height);
      values.forEach((value, i) => image.data.set([255 * value, 255 * value, 255 * value, 255], 4 * i));
      context.putImageData(image, 0, 0);
      canvas.setAttribute("aria-label", says);
    };
    const spread = (cells, value) => {  // of each cell's four pixels, in the order of the picture
      const out = new Float64Array(4 * cells.length);
      cells.forEach((sign, k) => value(sign, k).forEach((v, i) => {
        const row = 2 * Math.floor(k / columns) + (i >> 1), column = 2 * (k % columns) + (i & 1);
        out[2 * columns * row + column] = v;
      }));
      return out;
    };
    const decibels = (error) => (-10 * Math.log10(error)).toFixed(2).replace("-", "−");
    const [slider, output] = ["input", "output"].map((name) => place.querySelector(name));
    let which = 0, drawn = [], count = 0, total = 0;
    const show = () => {
      const t = Number(slider.value), cells = [...pictures[which]], bars = cells.filter((c) => c !== ".").length;
      const there = spread(cells, (sign) => SHAPES[sign]);
      const made = spread(cells, (sign, k) =>
        sign === "." ? SHAPES[sign] : SHAPES[drawn[k]].map((v) => (1 - t) / 2 + t * v));
      const error = made.reduce((sum, v, i) => sum + (v - there[i]) ** 2, 0) / made.length;
      const least = bars / made.length;  // a cell with a bar has four errors of 1/4
      const right = cells.filter((sign, k) => sign !== "." && sign === drawn[k]).length;
      count += 1;
      total += error;
      paint(small, cells.map((sign) => (sign === "." ? 0 : 0.5)), `${bars} grey pixels of ${cells.length}`);
      paint(truth, there, `${bars} white bars`);
      paint(answer, made, t === 0 ? `${bars} grey squares` : `${right} of ${bars} bars as they were, contrast ${t}`);
      slider.setAttribute("aria-valuetext", `t = ${t}`);
      output.innerHTML = `t = ${t.toFixed(2)}: this answer has <b>${decibels(error)} dB</b>, the mean ` +
        `<b>${decibels(least)} dB</b>. Over ${count} ${count > 1 ? "draws" : "draw"} the error is ` +
        `<b>${(total / count / least).toFixed(3)}</b> times the mean's; expected ${(1 + t * t).toFixed(3)}.`;
    };
    const draw = () => {
      drawn = [...pictures[which]].map(() => BARS[Math.floor(4 * Math.random())]);
      show();
    };
    const anew = () => { count = total = 0; };
    const [again, other] = place.querySelectorAll("button");
    slider.addEventListener("input", () => { anew(); show(); });
    again.addEventListener("click", draw);
    other.addEventListener("click", () => {
      which = (which + 1) % pictures.length;
      anew();
      draw();
    });
    draw();
  });
});
