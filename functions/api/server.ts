import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { cannotListen } from '../boot/guard.ts'
import { createApp } from './app.ts'
import { countUnparsed } from './metrics/intake.ts'
import { createNodeServer } from './node-server.ts'
import type { ApiDeps } from './types.ts'

/** 0 where every accepted request was answered, 1 where the deadline cut some off. */
export type ExitCode = 0 | 1

/** How often connections that have become idle are closed while the server is stopping. */
const IDLE_SWEEP_MS = 50

/** What a listening server needs beside the application's parts. */
export interface ServerDeps extends ApiDeps {
  /** Releases everything once the last request is answered: encoders, watchers. */
  close(): Promise<void>
}

/** A listening server. */
export interface ServerHandle {
  /** `http://127.0.0.1:8080`. */
  readonly url: string
  readonly port: number
  /** Stops accepting, finishes what was accepted, releases the parts. Safe to call twice. */
  stop(reason: string): Promise<ExitCode>
  /** Resolves when the server has stopped, for whatever reason: 0, or 1 where it had to cut requests off. */
  readonly stopped: Promise<ExitCode>
}

/**
 * Listens on the configured host and port. Signals are the caller's, who stops the server.
 * @throws EspalierError `invalid_config` where the port is taken or the host unknown
 */
export async function startServer(deps: ServerDeps): Promise<ServerHandle> {
  const { config, log } = deps
  const onRefused = deps.metrics && countUnparsed(deps.metrics)
  const server = createNodeServer(createApp(deps), config, { log, onRefused })
  server.listen(config.port, config.host)
  try {
    await once(server, 'listening')
  } catch (cause) {
    throw cannotListen(config, cause)
  }
  const { port } = server.address() as AddressInfo
  const host = config.host.includes(':') ? `[${config.host}]` : config.host
  const url = `http://${host}:${port}`
  log.info({ url }, 'listening')
  return { url, port, ...createShutdown(server, deps) }
}

/** The two ways of ending a server: on demand, and knowing that it has ended. */
function createShutdown(server: Server, deps: ServerDeps): Pick<ServerHandle, 'stop' | 'stopped'> {
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
