// A grid whose rows are one course of time: below the strip, one moment at a time and larger, when a reader asks for it.
// Without scripts, on paper, and for readers who have asked for less motion there is the strip alone.
document.addEventListener("DOMContentLoaded", () => {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  document.querySelectorAll(".image-grid.film").forEach((strip) => {
    const { textContent, dataset } = strip.querySelector(".film-moments");
    const moments = textContent.split("|");
    const film = document.createElement("div");
    film.className = "film-live";
    film.style.setProperty("--step", dataset.step);
    film.style.setProperty("--moments", moments.length);
    film.innerHTML = `
      <div class="film-controls"><button type="button"></button>
      <input type="range" min="0" max="${moments.length - 1}" step="1" aria-label="Moment"><output></output></div>`;
    const [button, slider, output] = ["button", "input", "output"].map((name) => film.querySelector(name));
    strip.querySelectorAll(".grid-cell").forEach((row) => {
      const pane = document.createElement("span"), picture = document.createElement("i");
      const label = document.createElement("span");
      picture.style.backgroundImage = `url("${row.querySelector("img").src}")`;
      label.textContent = row.querySelector(".grid-label")?.textContent ?? "";
      pane.className = "film-pane";
      pane.append(picture, label);
      film.querySelector(".film-controls").before(pane);
    });
    let playing = 0;
    const show = (i) => {
      slider.value = i;
      film.style.setProperty("--moment", i);
      output.textContent = moments[i];
      slider.setAttribute("aria-valuetext", moments[i]);
    };
    const pause = () => {
      clearInterval(playing);
      playing = 0;
      button.textContent = "Play";
    };
    const next = () => {
      const i = Number(slider.value) + 1;
      if (i < moments.length) show(i);
      if (i >= moments.length - 1) pause();
    };
    button.addEventListener("click", () => {
      if (playing) return pause();
      if (Number(slider.value) === moments.length - 1) show(0);
      button.textContent = "Pause";
      playing = setInterval(next, 500);
    });
    slider.addEventListener("input", () => {
      pause();
      show(Number(slider.value));
    });
    pause();
    show(0);
    strip.after(film);
  });
});
