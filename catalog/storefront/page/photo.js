// The photo that is searched with, and the box on it: drawn with a pointer, moved and sized with the keyboard.

import { byId } from "./dom.js";

const LARGEST_SIDE = 2400;
const MOST_BYTES = 4_000_000;
const LEAST = 0.04;
const STEP = 0.02;

let lastId = 0;
const taken = new Map();

/** The photo of this tab with an id, or null once the tab has been loaded anew. */
export function photoById(id) {
  return taken.get(id) ?? null;
}

/** A file as a photo, made smaller where sending it whole would only take long. Throws where it is no photo. */
export async function takePhoto(file) {
  const image = new Image();
  let url = URL.createObjectURL(file);
  image.src = url;
  try {
    await image.decode();
  } catch {
    URL.revokeObjectURL(url);
    throw new TypeError("the browser cannot show this file");
  }
  let kept = file;
  const scale = Math.min(1, LARGEST_SIDE / Math.max(image.naturalWidth, image.naturalHeight));
  if (scale < 1 || file.size > MOST_BYTES) {
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(image.naturalWidth * scale);
    canvas.height = Math.round(image.naturalHeight * scale);
    const context = canvas.getContext("2d");
    context.fillStyle = "white";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    kept = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
    URL.revokeObjectURL(url);
    url = URL.createObjectURL(kept);
  }
  lastId += 1;
  const photo = { id: `${Date.now()}-${lastId}`, file: kept, url };
  taken.set(photo.id, photo);
  return photo;
}

/** The box on the photo. `changed` is called with the box in pixels of the photo, or null, once it rests. */
export class CropBox {
  constructor(changed) {
    this.changed = changed;
    this.box = null;
    this.stage = byId("stage");
    this.image = byId("photo");
    this.frame = byId("crop");
    this.stage.addEventListener("pointerdown", (event) => this.#press(event));
    this.frame.addEventListener("keydown", (event) => this.#key(event));
    this.image.addEventListener("dragstart", (event) => event.preventDefault());
    this.image.addEventListener("load", () => this.#draw());
    byId("crop-start").addEventListener("click", () => this.begin());
    byId("crop-clear").addEventListener("click", () => {
      this.#set(null);
      this.#tell(0);
      byId("crop-start").focus();
    });
  }

  /** Show a photo with the box that a search of it had. */
  show(photo, crop) {
    if (this.image.getAttribute("src") !== photo.url) this.image.src = photo.url;
    this.pending = crop;
    this.#draw();
  }

  /** A box to start from, for those who do not draw one. */
  begin() {
    if (!this.box) {
      this.#set({ left: 0.2, top: 0.15, right: 0.8, bottom: 0.85 });
      this.#tell(0);
    }
    this.frame.focus();
  }

  #draw() {
    const { naturalWidth: width, naturalHeight: height } = this.image;
    if (!width) return;
    const crop = this.pending;
    this.#set(crop ? { left: crop.left / width, top: crop.top / height, right: crop.right / width, bottom: crop.bottom / height } : null);
  }

  #set(box) {
    this.box = box;
    this.frame.hidden = !box;
    byId("crop-clear").hidden = !box;
    byId("crop-start").hidden = Boolean(box);
    this.stage.classList.toggle("cropped", Boolean(box));
    if (!box) return;
    const { style } = this.frame;
    style.left = `${box.left * 100}%`;
    style.top = `${box.top * 100}%`;
    style.width = `${(box.right - box.left) * 100}%`;
    style.height = `${(box.bottom - box.top) * 100}%`;
    const part = Math.round((box.right - box.left) * (box.bottom - box.top) * 100);
    this.frame.setAttribute("aria-label", `Part of the photo that is searched with: ${part} % of it, from ${Math.round(box.left * 100)} % left and ${Math.round(box.top * 100)} % top`);
  }

  #tell(wait) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const { naturalWidth: width, naturalHeight: height } = this.image;
      const { box } = this;
      this.pending = box && {
        left: Math.floor(box.left * width),
        top: Math.floor(box.top * height),
        right: Math.max(Math.ceil(box.right * width), Math.floor(box.left * width) + 1),
        bottom: Math.max(Math.ceil(box.bottom * height), Math.floor(box.top * height) + 1),
      };
      this.changed(this.pending);
    }, wait);
  }

  #key(event) {
    const directions = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
    if (event.key === "Delete" || event.key === "Escape") return byId("crop-clear").click();
    if (!(event.key in directions)) return undefined;
    event.preventDefault();
    const [right, down] = directions[event.key];
    this.#set(event.shiftKey ? resized(this.box, "se", right, down) : moved(this.box, right, down));
    this.#tell(500);
    return undefined;
  }

  #press(event) {
    if (event.button !== 0) return;
    event.preventDefault();
    const area = this.image.getBoundingClientRect();
    const at = (pointer) => [clamp((pointer.clientX - area.left) / area.width), clamp((pointer.clientY - area.top) / area.height)];
    const [startX, startY] = at(event);
    const before = this.box;
    const corner = event.target.dataset?.corner;
    const isInside = before && this.frame.contains(event.target);
    let isDrawn = false;
    const move = (pointer) => {
      const [x, y] = at(pointer);
      isDrawn ||= Math.hypot(pointer.clientX - event.clientX, pointer.clientY - event.clientY) > 6;
      if (!isDrawn) return;
      if (corner) this.#set(resized(before, corner, x - startX, y - startY));
      else if (isInside) this.#set(moved(before, x - startX, y - startY));
      else this.#set({ left: Math.min(x, startX), top: Math.min(y, startY), right: Math.max(x, startX), bottom: Math.max(y, startY) });
    };
    const end = ({ type }) => {
      this.stage.removeEventListener("pointermove", move);
      for (const kind of ["pointerup", "pointercancel"]) this.stage.removeEventListener(kind, end);
      if (!isDrawn) return;
      // The browser has taken the finger's way for scrolling.
      if (type === "pointercancel") {
        this.#set(before);
        return;
      }
      const { left, top, right, bottom } = this.box;
      // A slip of the hand is no box.
      if (right - left < LEAST || bottom - top < LEAST) this.#set(before);
      else this.#tell(150);
    };
    this.stage.setPointerCapture(event.pointerId);
    this.stage.addEventListener("pointermove", move);
    for (const kind of ["pointerup", "pointercancel"]) this.stage.addEventListener(kind, end);
  }
}

function clamp(value, low = 0, high = 1) {
  return Math.min(Math.max(value, low), high);
}

function moved({ left, top, right, bottom }, x, y) {
  const across = clamp(x, -left, 1 - right);
  const down = clamp(y, -top, 1 - bottom);
  return { left: left + across, top: top + down, right: right + across, bottom: bottom + down };
}

function resized(box, corner, x, y) {
  const made = { ...box };
  if (corner.includes("w")) made.left = clamp(box.left + x, 0, box.right - LEAST);
  else made.right = clamp(box.right + x, box.left + LEAST, 1);
  if (corner.includes("n")) made.top = clamp(box.top + y, 0, box.bottom - LEAST);
  else made.bottom = clamp(box.bottom + y, box.top + LEAST, 1);
  return made;
}
