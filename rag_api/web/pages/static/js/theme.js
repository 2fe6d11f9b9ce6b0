// Before anything is drawn: the theme that was chosen on this browser. No module, so that the page does not flash.
{
  const chosen = localStorage.getItem("rag.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
}
