// The front page's picture as a slider: one of N pictures beside the average of N. Its stops lie side by side in hero-sprite.png.
(() => {
  const figure = document.currentScript.closest("figure");
  const counts = figure.dataset.counts.split(",").map(Number);
  const live = document.createElement("div");
  live.className = "hero-live";
  live.innerHTML = `
    <span class="hero-side"><i class="hero-one"></i><span>one of the pictures</span></span>
    <span class="hero-side"><i class="hero-mean"></i><span>average of <output for="hero-slider"></output></span></span>
    <input id="hero-slider" type="range" min="0" max="${counts.length - 1}" step="1" aria-label="Number of pictures averaged">`;
  const slider = live.querySelector("input");
  const show = () => {
    const count = counts[slider.value];
    const text = count === 1 ? "1 picture" : `${count} pictures`;
    live.style.setProperty("--stop", slider.value);
    live.querySelector("output").textContent = text;
    slider.setAttribute("aria-valuetext", text);
  };
  slider.value = 6;
  slider.addEventListener("input", show);
  show();
  figure.querySelector(".hero-still").replaceWith(live);
})();
