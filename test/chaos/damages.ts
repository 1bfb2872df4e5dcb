import { readFile, rename, rm, writeFile } from 'node:fs/promises'

/** Puts another file in the place of one: whoever has the old one open or mapped keeps it. */
async function replace(path: string, change: (bytes: Buffer) => Buffer): Promise<void> {
  const changed = change(await readFile(path))
  await writeFile(`${path}~`, changed)
  await rename(`${path}~`, path)
}

/** What can happen to a file, and how to make it happen. */
export const DAMAGES: readonly (readonly [
  name: string,
  damage: (path: string) => Promise<void>,
])[] = [
  [
    'altered',
    (path) =>
      replace(path, (bytes) => {
        bytes[bytes.length >> 1]! ^= 1
        return bytes
      }),
  ],
  ['cut off', (path) => replace(path, (bytes) => bytes.subarray(0, 3))],
  ['removed', (path) => rm(path)],
]
