// Before the page is painted: what waits for the choice is hidden until it stands in its place.
document.documentElement.dataset.choosing = location.hash.includes("=") ? "all" : "rest";
