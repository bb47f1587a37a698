// The theme chosen on this device, told to the page before anything is painted: dark for a reading room unless the light
// one was chosen, whatever the system wears. Streamlit reads its own from storage, under the page's path.
{
  const theme = localStorage.getItem("rounds-theme") === "light" ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  document.documentElement.style.background = theme === "light" ? "#fbfcfd" : "#0a0d10";
  const forStreamlit = theme === "light" ? "Light" : "Dark";
  localStorage.setItem(`stActiveTheme-${location.pathname}-v2`, JSON.stringify(forStreamlit));
}
