// Dark for a reading room, light for an office; kept on this device. The image's surround is black in both.

const THEME_KEY = "rounds-theme";

class Theme {
  // `changed()` after the reader has chosen the other one: the pages around the viewer take it up when they load.
  constructor(room, button, changed) {
    this.room = room;
    this.button = button;
    this.apply(localStorage.getItem(THEME_KEY) === "light" ? "light" : "dark");
    button.addEventListener("click", () => {
      this.apply(this.current === "light" ? "dark" : "light");
      localStorage.setItem(THEME_KEY, this.current);
      changed();
    });
  }

  apply(theme) {
    this.current = theme;
    this.room.dataset.theme = theme;
    this.button.textContent = theme === "light" ? "Use the dark theme" : "Use the light theme";
  }
}
