// Writes the licences of what a bundle holds, and of the libraries that are installed beside it.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))
const TEXTS = 'infra/package/licenses'
const LICENCE = /^(?:licen[cs]e|copying|notice)(?:[.-].*)?$/i
/** What lies within the one file of a package, besides the package itself. */
const WITHIN = new Map([['recheck', 'recheck-parts.txt']])
/** Their licence lies in infra/package/licenses and goes with the libraries: the packages bring none. */
const ELSEWHERE = new Set(['onnxruntime-node', 'onnxruntime-common'])

/**
 * Writes the texts into a file, the packages in order, sharp and libvips behind them.
 * @param folders of the packages, below the root of the project
 * @throws Error naming a package whose licence has no text here
 */
export function writeLicences(folders, file) {
  const bundled = folders.flatMap((folder) => {
    const { name } = readManifest(folder)
    return ELSEWHERE.has(name) ? [] : [describePackage(folder)]
  })
  const rule = `\n\n${'-'.repeat(80)}\n\n`
  const intro = 'The JavaScript files of this folder hold code of these packages.'
  writeFileSync(file, `${[intro, ...bundled, ...describeImages()].join(rule)}\n`)
}

function describePackage(folder) {
  const { name, version, license, author } = readManifest(folder)
  const by = typeof author === 'string' ? author : author?.name
  const head = `${name ?? basename(folder)} ${version}, ${license}${by ? `, by ${by}` : ''}`
  const names = readdirSync(join(root, folder)).filter((each) => LICENCE.test(each))
  const bodies = names.sort().map((each) => readText(join(folder, each)))
  if (bodies.length === 0) bodies.push(textOf(name, license))
  if (WITHIN.has(name)) bodies.push(readText(join(TEXTS, WITHIN.get(name))))
  return [head, ...bodies].join('\n\n')
}

/** For a package that names its licence and brings no text. */
function textOf(name, license) {
  if (license === 'Apache-2.0') return 'The package has no file of its licence: see LICENSE.'
  throw new Error(`${name} (${license}) has no text of its licence; add it to ${TEXTS}`)
}

/** What decodes images: a dependency of the package, and part of the container image. */
function describeImages() {
  const { version, optionalDependencies } = readManifest('node_modules/sharp')
  const [library, libvips] = Object.entries(optionalDependencies).find(([name]) =>
    name.includes('libvips'),
  )
  const place = `node_modules/${library.replace(/libvips-.*$/, 'libvips-*')}/lib`
  return [
    `Beside them lie sharp ${version} (Apache-2.0, by Lovell Fuller) and, for the machine it was installed on, the libraries
of libvips ${libvips} in ${place}. They are used unchanged and loaded at run time.

libvips and fribidi, glib, libexif, libheif, librsvg, pango and proxy-libintl within those libraries are used under the
GNU Lesser General Public License, version 3. Their notices, and those of the other libraries in it, are in README.md and
versions.json of that package. You may replace the libraries by your own: put another build of the same version in their
place, or build sharp against a libvips of the system (https://sharp.pixelplumbing.com/install). Sources and the scripts
that build them: https://github.com/lovell/sharp-libvips, tag v${libvips}.`,
    readText(join(TEXTS, 'LGPL-3.0.txt')),
    readText(join(TEXTS, 'GPL-3.0.txt')),
  ]
}

function readManifest(folder) {
  return JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'))
}

function readText(path) {
  return readFileSync(join(root, path), 'utf8').trim()
}
