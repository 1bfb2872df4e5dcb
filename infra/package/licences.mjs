// Writes the licences of the packages that a bundle holds.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))
const LICENCE = /^(?:licen[cs]e|copying|notice)(?:[.-].*)?$/i
/** Their licence lies in infra/package/licenses: the packages bring none. */
const ELSEWHERE = new Set(['onnxruntime-node', 'onnxruntime-common'])

/**
 * Writes the texts into a file, the packages in order.
 * @param folders of the packages, below the root of the project
 */
export function writeLicences(folders, file) {
  const texts = folders.flatMap((folder) => {
    const manifest = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'))
    if (ELSEWHERE.has(manifest.name)) return []
    const names = readdirSync(join(root, folder)).filter((name) => LICENCE.test(name))
    const bodies = names.sort().map((name) => readFileSync(join(root, folder, name), 'utf8').trim())
    const { name, version, license, author } = manifest
    const by = typeof author === 'string' ? author : author?.name
    const head = `${name ?? basename(folder)} ${version}, ${license}${by ? `, by ${by}` : ''}`
    return [[head, ...bodies].join('\n\n')]
  })
  const rule = `\n\n${'-'.repeat(80)}\n\n`
  const intro = 'The JavaScript files of this package hold code of these packages.'
  writeFileSync(file, `${[intro, ...texts].join(rule)}\n`)
}
