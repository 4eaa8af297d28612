// A "Predict, then open" box keeps what the reader wrote, in this browser alone, so that it stands beside the answer.
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll(".admonition.predict").forEach((box, i) => {
    const key = `predict:${location.pathname}:${i}`;
    const label = document.createElement("label");
    const field = document.createElement("textarea");
    label.textContent = "Your prediction (kept in this browser)";
    field.rows = 2;
    try { field.value = localStorage.getItem(key) ?? ""; } catch { /* a browser may forbid it */ }
    field.addEventListener("input", () => {
      try { localStorage.setItem(key, field.value); } catch { /* then it lasts as long as the page */ }
    });
    label.append(field);
    box.querySelector("details")?.before(label);
  });
});
