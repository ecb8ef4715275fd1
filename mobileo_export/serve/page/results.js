// What comes back: a picture as it is drawn, answers as they are said, and the history.

const $ = (id) => document.getElementById(id);
const PNG = "data:image/png;base64,";

function show(png, width, description) {
  $("empty").hidden = true;
  $("picture").hidden = false;
  $("picture").src = PNG + png;
  $("picture").alt = description;
  $("picture").classList.toggle("small-picture", width < 256);
}

export const drawing = {
  begin(words) {
    this.words = words;
    $("caption").textContent = "";
    if (!$("picture").hidden) $("picture").style.opacity = 0.35;
  },
  step(event) {
    if (!event.preview) return;
    $("picture").style.opacity = 1;
    const estimate = event.preview.kind === "estimate";
    show(event.preview.png, estimate ? 256 : 0, `${this.words}, unfinished`);
    $("caption").textContent = estimate
      ? `After step ${event.step}: an estimate of the colors`
      : `After step ${event.step}: what it would become`;
  },
  finish(event) {
    $("picture").style.opacity = 1;
    show(event.png, event.width, this.words);
    $("caption").textContent =
      `${event.width} × ${event.height}, seed ${event.seed}, ${event.steps} steps, guidance ${event.guidance}`;
  },
  /** Nothing came of it: the last finished picture is shown again. */
  leave(last) {
    $("picture").style.opacity = 1;
    $("caption").textContent = "";
    if (last) {
      this.words = last.words;
      this.finish(last.event);
    } else {
      $("picture").hidden = true;
      $("empty").hidden = false;
    }
  },
};

/** A question and its answer, which grows. */
export function exchange(list, question, photo) {
  const item = document.createElement("li");
  if (photo) {
    const image = document.createElement("img");
    image.src = photo;
    image.alt = "the picture that was asked about";
    image.onload = () => image.classList.toggle("small-picture", image.naturalWidth < 256);
    image.onerror = () => image.remove(); // of a format that the server reads, this browser does not
    item.append(image);
  }
  const asked = document.createElement("p");
  asked.className = "mine";
  asked.textContent = question;
  const answer = document.createElement("p");
  answer.className = "waits";
  item.append(asked, answer);
  list.append(item);
  item.scrollIntoView({ block: "nearest" });
  return {
    say(text) {
      answer.textContent += text;
    },
    end(done) {
      answer.classList.remove("waits");
      answer.textContent = done.text;
      if (done.ended !== "length") return;
      const note = document.createElement("p");
      note.className = "hint";
      note.textContent = `stopped after ${done.token_ids.length} tokens; Settings has the longest answer`;
      item.append(note);
    },
    remove() {
      item.remove();
    },
  };
}

/** A finished picture among those that can be made again, changed, asked about and saved. */
export function remember(made, act) {
  const item = $("past-item").content.firstElementChild.cloneNode(true);
  const { event, words } = made;
  const image = item.querySelector("img");
  image.src = PNG + event.png;
  image.alt = words;
  image.classList.toggle("small-picture", event.width < 256);
  item.querySelector(".words").textContent = words;
  item.querySelector(".numbers").textContent =
    `${made.mode === "edit" ? "edited, " : ""}seed ${event.seed}, ${event.steps} steps, guidance ${event.guidance}`;
  for (const button of item.querySelectorAll("button")) {
    button.setAttribute("aria-label", `${button.textContent}: ${words}`);
    button.onclick = () => act(button.dataset.act, made);
  }
  const save = item.querySelector("a");
  save.href = PNG + event.png;
  save.download = `${words.replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 60) || "picture"}-${event.seed}.png`;
  $("past").prepend(item);
  $("history").hidden = false;
}

/** What base64 holds, as a file; the type is of no account to whoever looks into it. */
export function blob(base64) {
  return new Blob([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], { type: "image/png" });
}
