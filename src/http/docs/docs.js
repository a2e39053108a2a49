"use strict";

const methods = ["get", "post", "put", "patch", "delete"];

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function resolve(api, thing) {
  let found = thing;
  while (found && found.$ref) found = found.$ref.slice(2).split("/").reduce((at, key) => at[key], api);
  return found || {};
}

// A body to begin with: one value for each member.
function example(api, schema, depth) {
  const found = resolve(api, schema);
  if (found.examples) return found.examples[0];
  if (found.enum) return found.enum[0];
  if (found.anyOf) return example(api, found.anyOf[0], depth);
  const type = Array.isArray(found.type) ? found.type[0] : found.type;
  if (type === "object" && depth < 4) {
    const members = Object.entries(found.properties || {});
    return Object.fromEntries(members.map(([name, member]) => [name, example(api, member, depth + 1)]));
  }
  return { string: "", integer: 1, number: 1, boolean: false, array: [], object: {} }[type] ?? null;
}

function show(api, path, method, operation) {
  const inputs = (operation.parameters || []).map((parameter) => {
    const input = element("input", { "data-in": parameter.in, "data-name": parameter.name, autocomplete: "off" });
    const words = `${parameter.name} (${parameter.in}${parameter.required ? ", needed" : ""})`;
    return element("label", {}, parameter.description ? `${words}: ${parameter.description}` : words, input);
  });
  const content = operation.requestBody && Object.entries(operation.requestBody.content)[0];
  const body = element("textarea", { "aria-label": "Body", spellcheck: "false" });
  if (content) {
    const begin = example(api, content[1].schema, 0);
    body.value = content[0] === "application/json" ? JSON.stringify(begin, null, 2) : new URLSearchParams(begin).toString();
  }
  const rows = Object.entries(operation.responses).map(([status, response]) =>
    element("tr", {}, element("th", { scope: "row" }, status), element("td", {}, resolve(api, response).description)));
  const answer = element("pre", { "aria-live": "polite" });
  const button = element("button", { type: "button" }, "Send");
  const fields = element("div", {}, ...inputs);
  button.addEventListener("click", () => send(path, method, fields, content && [content[0], body.value], answer));
  return element("details", {},
    element("summary", {}, element("code", { class: "method" }, method.toUpperCase()), element("code", {}, path), " ", operation.summary),
    element("p", {}, operation.description || ""), element("table", {}, ...rows), fields,
    ...(content ? [element("p", {}, content[0]), body] : []), element("p", {}, button), answer);
}

async function send(path, method, fields, content, answer) {
  let target = path;
  const query = new URLSearchParams();
  const headers = {};
  for (const input of fields.querySelectorAll("input")) {
    const { in: place, name } = input.dataset;
    if (place === "path") target = target.replace(`{${name}}`, encodeURIComponent(input.value));
    else if (input.value && place === "query") query.append(name, input.value);
    else if (input.value && place === "header") headers[name] = input.value;
  }
  const authorization = document.getElementById("authorization").value.trim();
  if (authorization) headers.Authorization = authorization;
  if (content) headers["Content-Type"] = content[0];
  const base = new URL(".", document.baseURI).pathname.replace(/\/$/, "");
  const url = base + target + (query.size ? `?${query}` : "");
  try {
    const response = await fetch(url, { method: method.toUpperCase(), headers, body: content ? content[1] : undefined, credentials: "omit" });
    const text = await response.text();
    const head = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
    answer.textContent = `${response.status} ${response.statusText}\n${head}\n\n${text}`;
  } catch (error) {
    answer.textContent = String(error);
  }
}

async function begin() {
  const main = document.getElementById("operations");
  const api = await (await fetch("openapi.json")).json();
  main.replaceChildren();
  for (const { name } of api.tags) {
    main.append(element("h2", {}, name));
    for (const [path, operations] of Object.entries(api.paths)) {
      for (const method of methods) {
        const operation = operations[method];
        if (operation && operation.tags.includes(name)) main.append(show(api, path, method, operation));
      }
    }
  }
}

begin().catch((error) => { document.getElementById("operations").textContent = String(error); });
