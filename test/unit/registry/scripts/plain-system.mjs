// Loaded before a script: takes symbolic links and /proc away, as on Windows and macOS.
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

function refuse(code) {
  throw Object.assign(new Error(`${code}: not on this system`), { code })
}

for (const name of ['symlink', 'symlinkSync']) fs[name] = () => refuse('EPERM')
fs.promises.symlink = async () => refuse('EPERM')
for (const [home, names] of [
  [fs, ['readFileSync', 'readlinkSync', 'openSync', 'statSync', 'readdirSync']],
  [fs.promises, ['readFile', 'readlink', 'open', 'stat', 'readdir']],
]) {
  for (const name of names) {
    const original = home[name]
    home[name] = (path, ...rest) =>
      String(path).startsWith('/proc') ? refuse('ENOENT') : original(path, ...rest)
  }
}
syncBuiltinESMExports()

const { readFileSync } = await import('node:fs')
const { symlink } = await import('node:fs/promises')
const hasLinks = await symlink('a', '/nowhere/b').catch((error) => error.code !== 'EPERM')
let hasProc = true
try {
  readFileSync('/proc/self/stat')
} catch {
  hasProc = false
}
if (hasLinks || hasProc) throw new Error('this system is not plain')
