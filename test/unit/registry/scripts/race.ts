// race.ts FOLDER ACTION COUNTS: waits for a line on stdin, then works on the store with all other racers.
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { openDirectoryStore } from '../../../../shared/registry/stores/directory/store.ts'

const [folder = '', action = '', ...rest] = process.argv.slice(2)
const store = openDirectoryStore(folder)
const limit = { maxBytes: 1024 }
const encode = (text: string) => new TextEncoder().encode(text)

async function readText(key: string) {
  const found = await store.get(key, limit)
  if (found.status !== 'found') throw new Error(`${key} is ${found.status}`)
  return { text: new TextDecoder().decode(found.body), etag: found.etag }
}

/** Rounds of one attempt each; prints the rounds that this process won. */
async function attempt(rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const key = `rounds/${round}`
    const body = encode(`${process.pid}`)
    if (action === 'create') {
      if ((await store.putIfAbsent(key, body)).status === 'created') console.log(round)
    } else {
      const { text, etag } = await readText(key)
      if (text !== 'start') continue
      if ((await store.putIfMatch(key, body, etag)).status === 'replaced') console.log(round)
    }
  }
}

/** Adds one to the counter as often as asked. */
async function count(times: number): Promise<void> {
  for (let done = 0; done < times; ) {
    const { text, etag } = await readText('counter')
    const swapped = await store.putIfMatch('counter', encode(`${Number(text) + 1}`), etag)
    if (swapped.status === 'replaced') {
      done++
      console.log(done)
    } else await sleep(Math.random() * 10)
  }
}

console.log('ready')
await once(process.stdin, 'data')
process.stdin.destroy()
if (action === 'count') await count(Number(rest[0]))
else await attempt(Number(rest[0]))
