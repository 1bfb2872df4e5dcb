import { fork } from 'node:child_process'
import { once } from 'node:events'

/** What every child answers when a request went wrong. */
export interface Failed {
  readonly kind: 'failed'
  readonly message: string
}

/** A child process that is asked one thing at a time. */
export interface Child<Request, Reply extends { readonly kind: string }> {
  readonly pid: number
  /** What the child said when it was ready. */
  readonly detail: string
  /** Milliseconds from spawning to the child's first word. */
  readonly startMs: number
  /** @throws Error with the child's own words when it fails or ends */
  ask<K extends Reply['kind']>(request: Request, kind: K): Promise<Extract<Reply, { kind: K }>>
  stop(): Promise<void>
}

/** What a child says when it can be asked. */
export interface Ready {
  readonly kind: 'ready'
  readonly detail: string
}

/** How to start a child. */
export interface ChildSpec {
  readonly name: string
  readonly script: string
  readonly args: readonly string[]
  /** The core that the process is bound to. */
  readonly core?: number | undefined
}

const STOP = { kind: 'stop' } as const
const KEPT_STDERR = 4000

/** Starts a child and waits until it is ready. @throws Error with the child's own words */
export async function forkChild<Request, Reply extends { readonly kind: string }>(
  spec: ChildSpec,
): Promise<Child<Request, Reply>> {
  const start = performance.now()
  const child = fork(spec.script, spec.args, {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    ...(spec.core !== undefined && {
      execPath: 'taskset',
      execArgv: ['-c', String(spec.core), process.execPath],
    }),
  })
  let said = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-KEPT_STDERR)
  })
  const exited = once(child, 'exit').then(([code]): never => {
    throw new Error(`${spec.name} ended with code ${code}: ${said.trim() || 'no message'}`)
  })
  exited.catch(() => {})
  const receive = async <M extends { readonly kind: string }>(kind: M['kind']): Promise<M> => {
    const [message] = (await Promise.race([once(child, 'message'), exited])) as [M | Failed]
    if (message.kind === kind) return message as M
    const reason = 'message' in message ? message.message : `unexpected ${message.kind}`
    throw new Error(`${spec.name}: ${reason}`)
  }
  const { detail } = await receive<Ready>('ready')
  return {
    pid: child.pid ?? 0,
    detail,
    startMs: performance.now() - start,
    async ask(request, kind) {
      child.send(request as object)
      return await receive<Extract<Reply, { kind: typeof kind }>>(kind)
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.send(STOP)
      await exited.catch(() => {})
    },
  }
}

/** The child's side: answers requests until it is told to stop, or until the parent is gone. */
export function answerParent<Request extends object>(
  detail: string,
  answer: (request: Request) => Promise<object>,
  onStop: () => Promise<void>,
): void {
  const send = (message: object) => process.send?.(message)
  process.on('message', async (request: Request | typeof STOP) => {
    if ('kind' in request && request.kind === STOP.kind) {
      await onStop()
      process.disconnect()
      return
    }
    try {
      send(await answer(request as Request))
    } catch (error) {
      send({ kind: 'failed', message: error instanceof Error ? error.message : String(error) })
    }
  })
  send({ kind: 'ready', detail } satisfies Ready)
}
