// Prints, as JSON, the packages in the folder MODULES that are no ES modules as ones that a browser
// can load: `files` by path, `imports` by name. The arguments are the names of the packages.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.MODULES}/package.json`);
const names = process.argv.slice(2);
const sources = new Map();

/** Takes in a file and what it requires; gives its path. */
function collect(path) {
    if (sources.has(path)) return path;
    const requireHere = createRequire(path);
    const needs = {};
    let source = readFileSync(path, "utf8");
    if (path.endsWith(".json")) source = `module.exports = ${source}`;
    sources.set(path, { source, needs });
    for (const [, name] of source.matchAll(/\brequire\(["']([^"']+)["']\)/g)) {
        // `events` is a package here and a part of Node there.
        const wanted = names.includes(name) ? `${name}/` : name;
        needs[name] = collect(name === "events" ? require.resolve(wanted) : requireHere.resolve(name));
    }
    return path;
}

const imports = {};
const files = {};
for (const name of names) {
    const path = collect(require.resolve(name === "events" ? "events/" : name));
    const exported = Object.keys(require(path)).filter((key) => /^[A-Za-z_$][\w$]*$/.test(key) && key !== "default");
    imports[name] = `/packages/${name}.js`;
    files[imports[name]] = [
        `import { load } from "/packages/all.js";`,
        `const found = load(${JSON.stringify(path)});`,
        `export default found?.__esModule ? found.default : found;`,
        ...exported.map((key, n) => `const e${n} = found[${JSON.stringify(key)}]; export { e${n} as ${key} };`),
    ].join("\n");
}
const table = [...sources].map(
    ([path, { source, needs }]) =>
        `[${JSON.stringify(path)}, [${JSON.stringify(needs)}, function (module, exports, require) {\n${source}\n}]]`,
);
files["/packages/all.js"] = `
const files = new Map([${table.join(",\n")}]);
const loaded = new Map();
export function load(path) {
    if (!loaded.has(path)) {
        const module = { exports: {} };
        loaded.set(path, module);
        const [needs, run] = files.get(path);
        run.call(module.exports, module, module.exports, (name) => load(needs[name]));
    }
    return loaded.get(path).exports;
}
`;
console.log(JSON.stringify({ imports, files }));
