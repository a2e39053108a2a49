"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];

function createElement(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// Follows the references of an OpenAPI document.
function resolve(api, object) {
  let resolved = object;
  while (resolved && resolved.$ref) {
    resolved = resolved.$ref.slice(2).split("/").reduce((parent, key) => parent[key], api);
  }
  return resolved || {};
}

// An example of a request body, with a value for each member of its schema.
function exampleOf(api, schema, depth) {
  const resolved = resolve(api, schema);
  if (resolved.examples) return resolved.examples[0];
  if (resolved.enum) return resolved.enum[0];
  if (resolved.anyOf) return exampleOf(api, resolved.anyOf[0], depth);
  const type = Array.isArray(resolved.type) ? resolved.type[0] : resolved.type;
  if (type === "object" && depth < 4) {
    const members = Object.entries(resolved.properties || {});
    return Object.fromEntries(members.map(([name, member]) => [name, exampleOf(api, member, depth + 1)]));
  }
  return { string: "", integer: 1, number: 1, boolean: false, array: [], object: {} }[type] ?? null;
}

function parameterInput(parameter) {
  const input = createElement("input", { "data-in": parameter.in, "data-name": parameter.name, autocomplete: "off" });
  const name = `${parameter.name} (${parameter.in}${parameter.required ? ", required" : ""})`;
  return createElement("label", {}, parameter.description ? `${name}: ${parameter.description}` : name, input);
}

function renderOperation(api, path, method, operation) {
  const parameters = (operation.parameters || []).map(parameterInput);
  const content = operation.requestBody && Object.entries(operation.requestBody.content)[0];
  const body = createElement("textarea", { "aria-label": "Request body", spellcheck: "false" });
  if (content) {
    const example = exampleOf(api, content[1].schema, 0);
    body.value = content[0] === "application/json" ? JSON.stringify(example, null, 2) : new URLSearchParams(example).toString();
  }
  const responses = Object.entries(operation.responses).map(([status, response]) =>
    createElement("tr", {}, createElement("th", { scope: "row" }, status), createElement("td", {}, resolve(api, response).description)));
  const output = createElement("pre", { "aria-live": "polite" });
  const button = createElement("button", { type: "button" }, "Send request");
  const fields = createElement("div", {}, ...parameters);
  button.addEventListener("click", () => sendRequest(path, method, fields, content && [content[0], body.value], output));
  return createElement("details", {},
    createElement("summary", {}, createElement("code", { class: "method" }, method.toUpperCase()), createElement("code", {}, path), " ", operation.summary),
    createElement("p", {}, operation.description || ""), createElement("table", {}, ...responses), fields,
    ...(content ? [createElement("p", {}, content[0]), body] : []), createElement("p", {}, button), output);
}

async function sendRequest(path, method, fields, content, output) {
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
    const responseHeaders = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
    output.textContent = `${response.status} ${response.statusText}\n${responseHeaders}\n\n${text}`;
  } catch (error) {
    output.textContent = String(error);
  }
}

async function renderApi() {
  const main = document.getElementById("operations");
  const api = await (await fetch("openapi.json")).json();
  main.replaceChildren();
  for (const { name, description } of api.tags) {
    main.append(createElement("h2", {}, name), createElement("p", {}, description));
    for (const [path, operations] of Object.entries(api.paths)) {
      for (const method of METHODS) {
        const operation = operations[method];
        if (operation && operation.tags.includes(name)) main.append(renderOperation(api, path, method, operation));
      }
    }
  }
}

renderApi().catch((error) => { document.getElementById("operations").textContent = String(error); });
