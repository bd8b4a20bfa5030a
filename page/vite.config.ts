// The build: into the Python package, the same bytes each time, with the licences of what it bundles.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import { defineConfig, type Plugin } from "vite";

/** One file with the licence of every library whose code is in the bundle. */
function licences(): Plugin {
  return {
    name: "licences",
    generateBundle() {
      const marker = `${sep}node_modules${sep}`;
      const places = new Set<string>();
      for (const id of this.getModuleIds()) {
        const at = id.lastIndexOf(marker);
        if (at < 0) continue;
        const [first = "", second = ""] = id.slice(at + marker.length).split(sep);
        const name = first.startsWith("@") ? join(first, second) : first;
        places.add(id.slice(id.startsWith("\0") ? 1 : 0, at + marker.length) + name);
      }
      const parts = [...places].map(licenceOf).sort();
      const source = `The page bundles these libraries, each under its own licence.\n\n${parts.join("\n")}`;
      this.emitFile({ type: "asset", fileName: "page/licences.txt", source });
    },
  };
}

function licenceOf(place: string): string {
  const about = JSON.parse(readFileSync(join(place, "package.json"), "utf8"));
  const file = existsSync(place) ? readdirSync(place).find((name) => /^licen[cs]e/i.test(name)) : undefined;
  const text = file ? readFileSync(join(place, file), "utf8").trim() : `(${about.license})`;
  return `${"=".repeat(80)}\n${about.name} ${about.version}: ${about.license}\n\n${text}\n`;
}

export default defineConfig({
  plugins: [licences()],
  build: {
    outDir: process.env.PANAL_PAGE_OUT ?? "../src/panal/web/page",
    emptyOutDir: true,
    assetsDir: "page",
    assetsInlineLimit: 0, // nothing inline: the page's policy forbids it
    modulePreload: { polyfill: false },
    target: ["chrome120", "firefox121", "safari17.5"],
    reportCompressedSize: true,
  },
});
