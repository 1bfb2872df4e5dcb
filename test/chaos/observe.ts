import { expect } from 'vitest'
import { healthSchema } from '../../shared/contract/health.ts'

/** Sends one request and gives its answer: to an application, or over a connection. */
export type Send = (path: string, init?: RequestInit) => Response | Promise<Response>

/** What the probes say. */
export interface Health {
  /** Status of `/readyz` and of `/livez`. */
  readonly ready: number
  readonly live: number
  readonly status: string
  readonly registry: string | undefined
  readonly degraded: readonly string[]
}

/** What somebody outside sees of a server. */
export interface Observer {
  /** Status and text of an answer; a body is posted as JSON. */
  ask(path: string, body?: unknown): Promise<{ readonly status: number; readonly text: string }>
  /** The texts of answers that all have to be there, in order. */
  askAll(questions: readonly Question[]): Promise<readonly string[]>
  health(): Promise<Health>
  /** A sample by its name, labels included; 0 where it is not there. */
  metric(name: string): Promise<number>
  /** Looks at the registry, as an administrator asks for. */
  refresh(): Promise<string>
}

/** A path, and what is posted there. */
export type Question = readonly [path: string, body: object]

export const HEALTHY = {
  ready: 200,
  live: 200,
  status: 'ok',
  registry: 'up',
  degraded: [],
} as const satisfies Health

/** Looks at a server through whatever reaches it. */
export function observe(send: Send): Observer {
  const ask: Observer['ask'] = async (path, body) => {
    const posted = body !== undefined && {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }
    const response = await send(path, posted || undefined)
    return { status: response.status, text: await response.text() }
  }
  return {
    ask,
    async askAll(questions) {
      const answers = await Promise.all(questions.map(([path, body]) => ask(path, body)))
      const others = answers.filter(({ status }) => status !== 200)
      expect(others).toEqual([])
      return answers.map(({ text }) => text)
    },
    async health() {
      const [ready, live] = [await ask('/readyz'), await ask('/livez')]
      const { status, registry, degraded = [] } = healthSchema.parse(JSON.parse(ready.text))
      return { ready: ready.status, live: live.status, status, registry, degraded }
    },
    async metric(name) {
      const { text } = await ask('/metrics')
      const line = text.split('\n').find((each) => each.startsWith(`${name} `))
      return Number(line?.split(' ').at(-1) ?? 0)
    },
    async refresh() {
      const response = await send('/admin/refresh', { method: 'POST' })
      return response.text()
    },
  }
}
