import type { Server } from 'node:http'
import type { ServerDeps, ServerHandle } from './server.ts'

/** 0 where every accepted request was answered, 1 where the deadline cut some off. */
export type ExitCode = 0 | 1

/** How often connections that have become idle are closed while the server is stopping. */
const IDLE_SWEEP_MS = 50

/** The two ways of ending a server: on demand, and knowing that it has ended. */
export function createShutdown(
  server: Server,
  deps: ServerDeps,
): Pick<ServerHandle, 'stop' | 'stopped'> {
  const { config, log, readiness } = deps
  let stopping: Promise<ExitCode> | undefined
  let resolveStopped: (code: ExitCode) => void
  const stopped = new Promise<ExitCode>((resolve) => {
    resolveStopped = resolve
  })

  async function shutDown(reason: string): Promise<ExitCode> {
    log.info({ reason }, 'stopping')
    readiness.markStopping()
    let code: ExitCode = (await closeServer(server, config.shutdownTimeoutMs)) ? 0 : 1
    if (code === 1) log.warn({ timeoutMs: config.shutdownTimeoutMs }, 'requests were cut off')
    try {
      await deps.close()
    } catch (error) {
      log.error({ err: error }, 'closing failed')
      code = 1
    }
    log.info({ code }, 'stopped')
    return code
  }

  return {
    stop(reason) {
      stopping ??= shutDown(reason)
      stopping.then(resolveStopped)
      return stopping
    },
    stopped,
  }
}

/** Stops accepting and waits for open requests; false where the deadline had to cut some off. */
function closeServer(server: Server, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    let finished = true
    const deadline = setTimeout(() => {
      finished = false
      server.closeAllConnections()
    }, timeoutMs)
    const sweep = setInterval(() => server.closeIdleConnections(), IDLE_SWEEP_MS)
    server.close(() => {
      clearTimeout(deadline)
      clearInterval(sweep)
      resolve(finished)
    })
  })
}

/** The part of `process` that signals come from. */
export interface SignalSource {
  on(signal: 'SIGTERM' | 'SIGINT', listener: (signal: string) => void): unknown
  off(signal: 'SIGTERM' | 'SIGINT', listener: (signal: string) => void): unknown
}

/** Stops the server on SIGTERM or SIGINT; resolves with the exit code for the process to end with. */
export async function stopOnSignals(handle: ServerHandle, source: SignalSource): Promise<ExitCode> {
  const onSignal = (signal: string) => void handle.stop(signal)
  source.on('SIGTERM', onSignal)
  source.on('SIGINT', onSignal)
  const code = await handle.stopped
  source.off('SIGTERM', onSignal)
  source.off('SIGINT', onSignal)
  return code
}
