// How values of the API are said to people.

const STOCK = { in_stock: "In stock", out_of_stock: "Out of stock", preorder: "Pre-order", backorder: "Back order" };
const MODES = {
  rerank: ["Re-ranked", "the nearest by attributes, re-ranked by how much of them is shared"],
  native: ["Native", "by how much of the attributes is shared, over everything"],
  visual: ["Looks", "alone, whatever the attributes"],
  fused: ["Fused", "by looks and attributes together"],
  exact: ["Exact", "as native, compared with every photo: slow, to check the others by"],
};

const ORDERS = { in_stock: "in stock first", newer: "new first", diversity: "mixed" };

/** Group and value of an attribute: `sleeve=three-quarter` → ["sleeve", "three quarter"]. */
export function attributeParts(attribute) {
  const at = attribute.indexOf("=");
  const [group, value] = at < 0 ? ["", attribute] : [attribute.slice(0, at), attribute.slice(at + 1)];
  return [spaced(group), spaced(value)];
}

/** The value alone: `color=red` → "red". */
export function attributeWord(attribute) {
  return attributeParts(attribute)[1];
}

export function spaced(name) {
  return name.replaceAll(/[-_]/g, " ");
}

export function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function stockWord(availability) {
  return STOCK[availability] ?? capital(spaced(availability));
}

/** Name and explanation of a way to rank. */
export function modeWords(mode) {
  return MODES[mode] ?? [capital(spaced(mode)), ""];
}

/** What an answer says of the order of its hits: `["in_stock", "diversity"]` → "in stock first, mixed". */
export function orderWords(reordered) {
  return reordered.map((one) => ORDERS[one] ?? spaced(one)).join(", ");
}

export function money(amount, currency) {
  try {
    return new Intl.NumberFormat(undefined, { style: "currency", currency }).format(Number(amount));
  } catch {
    // A currency that the browser has never heard of.
    return `${amount} ${currency}`;
  }
}

export function percent(share) {
  return `${Math.round(share * 100)} %`;
}

export function counted(number, one, many) {
  return `${new Intl.NumberFormat().format(number)} ${number === 1 ? one : many}`;
}
