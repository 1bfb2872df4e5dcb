// prove-start.mjs FOLDER: starts the server of an assembled folder as the image does, calls it, and stops it in order.
// Prints the time from the start of the process to the first answer, as the median and range of several starts.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { argv, execPath, exit } from 'node:process'
import { fileURLToPath } from 'node:url'

const STARTS = Number(process.env.PROVE_STARTS ?? 5)
const app = argv[2]
const wrapper = fileURLToPath(new URL('start-read-only.sh', import.meta.url))
/** What the Dockerfile sets, but for the port. */
const env = {
  PATH: process.env.PATH,
  NODE_ENV: 'production',
  HOST: '0.0.0.0',
  PORT: '0',
  ESPALIER_CACHE: '/tmp/espalier',
  ESPALIER_PREPARED: 'prepared',
  ESPALIER_OPEN: '1',
}

function check(isTrue, what) {
  if (isTrue) return
  console.error(`not proved: ${what}`)
  exit(1)
}

async function post(url, body) {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  return { status: answer.status, body: await answer.json() }
}

async function startOnce(isFirst) {
  const began = performance.now()
  const child = spawn(wrapper, [app, execPath, 'dist/cli.js', 'serve', '--quiet'], { env })
  let stderr = ''
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  const [first] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])
  const url = /http:\S+/.exec(String(first))?.[0]?.replace('0.0.0.0', '127.0.0.1')
  check(url, `the server starts: ${stderr}`)
  const embedded = await post(`${url}/embed`, { inputs: 'The first text of a cold start.' })
  const ms = performance.now() - began
  check(embedded.status === 200 && embedded.body[0].length === 384, 'it answers /embed')
  if (isFirst) await callAll(url, child.pid, stderr)
  child.kill('SIGTERM')
  const [code] = await once(child, 'exit')
  check(code === 0, `it ends with 0 on SIGTERM, not ${code}: ${stderr}`)
  return ms
}

async function callAll(url, pid, stderr) {
  const ready = await (await fetch(`${url}/readyz`)).json()
  check(ready.status === 'ok', 'it is ready')
  const labels = await post(`${url}/classify`, { model: 'intent', inputs: 'play some jazz' })
  const { label, model } = labels.body.data[0].predictions[0]
  check(label === 'PlayMusic', `it classifies: ${JSON.stringify(labels.body)}`)
  const { port } = new URL(url)
  const health = spawn(execPath, [`${app}/healthcheck.mjs`], { env: { ...env, PORT: port } })
  const [code] = await once(health, 'exit')
  check(code === 0, 'the health check passes')
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const user = /^Uid:\s+(\d+)/m.exec(status)?.[1]
  const rss = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1000
  const root = /^\S+ \S+ \S+ \/ \/ (\S+)/m.exec(readFileSync(`/proc/${pid}/mountinfo`, 'utf8'))?.[1]
  const isReadOnly = root?.split(',').includes('ro') ?? false
  console.log(`serves ${ready.encoder} on ${ready.device}, classifies with ${model}: "${label}"`)
  console.log(
    `user ${user}, root file system ${isReadOnly ? 'read-only' : 'writable'}, RSS ${rss.toFixed(0)} MB`,
  )
  if (stderr) console.log(stderr.trim())
}

const times = []
for (let i = 0; i < STARTS; i++) times.push(await startOnce(i === 0))
times.sort((a, b) => a - b)
const middle = times[times.length >> 1]
const range = `${times[0].toFixed(0)} to ${times.at(-1).toFixed(0)}`
console.log(`process start to first answer: ${middle.toFixed(0)} ms (${range}, ${STARTS} starts)`)
