// "Similar items" in a shop's page: a strip, put where this script's element stands. The README says how.
// Its element tells `drape:shown` with a count, or `drape:failed` with a reason, and then goes.
(() => {
  const STYLE = `
    :host { display: block; container-type: inline-size; }
    :host([hidden]) { display: none; }
    h2 { margin: 0 0 .75em; font-size: 1.25em; line-height: 1.2; }
    ul { display: flex; gap: var(--drape-gap, 1rem); margin: 0; padding: 4px; overflow-x: auto; list-style: none; }
    li { flex: none; width: var(--drape-width, min(11rem, 42cqw)); }
    a { display: block; color: inherit; text-decoration: none; border-radius: var(--drape-radius, 10px); }
    a:focus-visible { outline: 2px solid var(--drape-accent, currentColor); outline-offset: 2px; }
    a[href]:hover .title { text-decoration: underline; }
    .photo { aspect-ratio: var(--drape-ratio, 3 / 4); overflow: hidden; border-radius: var(--drape-radius, 10px); background: var(--drape-ground, rgb(128 128 128 / 14%)); }
    img { display: block; width: 100%; height: 100%; object-fit: cover; }
    .title { display: -webkit-box; height: 2.8em; margin-top: .5em; overflow: hidden; line-height: 1.4; overflow-wrap: anywhere; -webkit-line-clamp: 2; -webkit-box-orient: vertical; }
    .price { height: 1.4em; line-height: 1.4; font-weight: 600; }`;

  const script = document.currentScript;
  const { key, product, limit = "8", title = "Similar items", target, filters } = script.dataset;
  const service = new URL("..", script.src);

  // Text is always set as text: a feed's words never become markup.
  const make = (name, properties, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };

  const card = (photo, name, price, link) =>
    make(
      "li",
      {},
      make(
        "a",
        link ? { href: link } : {},
        make("div", { className: "photo" }, photo),
        make("div", { className: "title" }, name),
        make("div", { className: "price" }, price),
      ),
    );

  const found = ({ product: item, image }) => {
    const address = new URL(`.${image.url}`, service);
    address.search = new URLSearchParams({ width: 320, key });
    const photo = make("img", { alt: "", loading: "lazy", decoding: "async", width: 240, height: 320, src: address });
    photo.addEventListener("error", () => photo.remove());
    return card(photo, item.title, item.price ? money(item.price) : "", /^https?:\/\//i.test(item.link) ? item.link : "");
  };

  const money = ({ amount, currency }) => {
    try {
      return new Intl.NumberFormat(document.documentElement.lang || [], { style: "currency", currency }).format(amount);
    } catch {
      return `${amount} ${currency}`;
    }
  };

  const fill = async (list) => {
    if (!key || !product) throw new Error("data-key and data-product are needed");
    const path = product.split("/").map(encodeURIComponent).join("/");
    const address = new URL(`v1/products/${path}/similar`, service);
    address.search = new URLSearchParams([...new URLSearchParams(filters), ["limit", limit]]);
    const response = await fetch(address, { headers: { "X-Api-Key": key }, credentials: "omit" });
    const { error, hits } = await response.json();
    if (error) throw new Error(`${error.code}: ${error.message}`);
    list.replaceChildren(...hits.map(found));
    list.ariaBusy = null;
    return hits.length;
  };

  const start = async () => {
    const place = target && document.querySelector(target);
    const host = make("div");
    const tell = (name, detail) => host.dispatchEvent(new CustomEvent(`drape:${name}`, { bubbles: true, detail }));
    if (place) place.append(host);
    else script.after(host);
    const list = make("ul", { role: "list", ariaBusy: true, ariaLabel: title || "Similar items" });
    // Empty cards of the same size, so that nothing moves when the items come.
    for (let number = Math.min(limit, 12); number > 0; number -= 1) list.append(card("", "", ""));
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    const root = host.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet];
    root.append(title && make("h2", {}, title), list);
    try {
      if (target && !place) throw new Error(`nothing is at ${target}`);
      const count = await fill(list);
      host.hidden = !count;
      tell("shown", { count });
    } catch (error) {
      console.warn(`Drape has no similar items to show: ${error.message}`);
      tell("failed", { reason: error.message });
      host.remove();
    }
  };

  if (target && document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
