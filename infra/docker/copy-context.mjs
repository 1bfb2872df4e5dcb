// copy-context.mjs ROOT FOLDER: copies what .dockerignore leaves of the files that git knows or would take, as docker
// sends them to a build.
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { argv } from 'node:process'

const [, , root, target] = argv
const ignored = readFileSync(join(root, '.dockerignore'), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map(toPattern)

/** Paths are those of the root; `**` stands for any folders, `*` for anything within a name. */
function toPattern(line) {
  const source = line
    .replace(/^\//, '')
    .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
    .replaceAll('**/', '\u0000')
    .replaceAll('*', '[^/]*')
    .replaceAll('\u0000', '(?:.*/)?')
  return new RegExp(`^${source}(?:/|$)`)
}

const list = ['ls-files', '-z', '--cached', '--others', '--exclude-standard']
const paths = execFileSync('git', list, { cwd: root, maxBuffer: 64 * 1024 * 1024 })
const wanted = [...new Set(paths.toString().split('\0'))].filter(
  (path) => path !== '' && !ignored.some((pattern) => pattern.test(path)),
)
for (const path of wanted) {
  mkdirSync(join(target, dirname(path)), { recursive: true })
  copyFileSync(join(root, path), join(target, path))
}
console.log(`${wanted.length} files`)
