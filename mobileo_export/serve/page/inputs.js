// What a person fills in: numbers, a seed, a picture.

const $ = (id) => document.getElementById(id);
const NUMBERS = {
  generate: ["steps", "guidance"],
  edit: ["steps", "guidance"],
  ask: ["temperature", "top_p", "max_new_tokens"],
  chat: ["temperature", "top_p", "max_new_tokens"],
};

/** The recipe's numbers stand where nothing is filled in. */
export function showDefaults(recipe) {
  $("steps").placeholder = recipe.sampling.steps;
  $("guidance").placeholder = recipe.sampling.guidance_scale;
  $("temperature").placeholder = recipe.text.temperature;
  $("top_p").placeholder = recipe.text.top_p;
  $("max_new_tokens").placeholder = recipe.text.max_new_tokens;
}

/** The numbers of a mode as the server takes them; what is no number is told. */
export function numbers(mode) {
  const found = {};
  for (const name of NUMBERS[mode]) {
    const text = $(name).value.trim().replace(",", ".");
    if (!text) continue;
    const value = Number(text);
    if (!Number.isFinite(value)) {
      const label = document.querySelector(`label[for="${name}"]`).textContent;
      throw new Error(`${label}: “${text}” is no number`);
    }
    found[name] = value;
  }
  return found;
}

export const seed = {
  /** The seed to use: another one each time unless it is locked or nothing is left to chance. */
  next() {
    const locked = $("lock").getAttribute("aria-pressed") === "true";
    if (!locked || !$("seed").value.trim()) this.another();
    const text = $("seed").value.trim();
    if (!/^\d+$/.test(text)) throw new Error(`Seed: “${text}” is no whole number`);
    return text;
  },
  another() {
    $("seed").value = String(crypto.getRandomValues(new Uint32Array(1))[0]);
  },
  keep(text) {
    $("seed").value = text;
    this.lock(true);
  },
  lock(on) {
    $("lock").setAttribute("aria-pressed", String(on));
    $("lock").textContent = on ? "Locked" : "Lock";
  },
};

$("lock").onclick = () => seed.lock($("lock").getAttribute("aria-pressed") !== "true");
$("random").onclick = () => seed.another();
$("seed").oninput = () => seed.lock(true); // who types one wants that one
$("copy").onclick = async () => {
  try {
    await navigator.clipboard.writeText($("seed").value);
    $("copy").textContent = "Copied";
  } catch {
    $("seed").select(); // not allowed here; it can be copied by hand
    $("copy").textContent = "Selected";
  }
  setTimeout(() => ($("copy").textContent = "Copy"), 1500);
};

export const photo = {
  /** The chosen file in base64; null where there is none. */
  data: null,
  url: null,
  async take(blob) {
    const url = await new Promise((resolve, reject) => {
      const reader = new FileReader();
      reader.onload = () => resolve(reader.result);
      reader.onerror = () => reject(new Error("The file cannot be read."));
      reader.readAsDataURL(blob);
    });
    this.data = url.slice(url.indexOf(",") + 1);
    this.url = url;
    $("photo-shown").src = url;
    $("photo-shown").hidden = false;
    $("photo-hint").textContent = blob.name ?? "A picture of the history.";
  },
};

// A format that the browser does not show, the server may yet read.
$("photo-shown").onerror = () => ($("photo-shown").hidden = true);
$("photo-shown").onload = (event) => {
  event.target.classList.toggle("small-picture", event.target.naturalWidth < 256);
};
$("photo").onchange = () => $("photo").files[0] && photo.take($("photo").files[0]);
for (const kind of ["dragover", "dragleave", "drop"]) {
  $("drop").addEventListener(kind, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", kind === "dragover");
    const file = kind === "drop" && event.dataTransfer.files[0];
    if (file) photo.take(file);
  });
}
document.addEventListener("paste", (event) => {
  const file = event.clipboardData?.files[0];
  if (file?.type.startsWith("image/") && !$("photo-field").hidden) photo.take(file);
});
