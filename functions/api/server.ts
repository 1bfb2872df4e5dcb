import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { EspalierError } from '../../shared/lib/errors.ts'
import { createApp } from './app.ts'
import { createShutdown, type ExitCode } from './shutdown.ts'
import type { ApiDeps } from './types.ts'

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
 * Listens on the configured host and port. Signals are the caller's: see `stopOnSignals`.
 * @throws EspalierError `invalid_config` where the port is taken or the host unknown
 */
export async function startServer(deps: ServerDeps): Promise<ServerHandle> {
  const { config, log } = deps
  const server = createAdaptorServer({
    fetch: createApp(deps).fetch,
    serverOptions: {
      requestTimeout: config.requestTimeoutMs,
      headersTimeout: Math.min(config.headersTimeoutMs, config.requestTimeoutMs),
      keepAliveTimeout: config.keepAliveTimeoutMs,
    },
  }) as Server
  server.listen(config.port, config.host)
  try {
    await once(server, 'listening')
  } catch (cause) {
    const message = `PORT ${config.port} on HOST ${config.host} cannot be listened on: ${cause instanceof Error ? cause.message : cause}`
    throw new EspalierError('invalid_config', message, { cause })
  }
  const { port } = server.address() as AddressInfo
  const host = config.host.includes(':') ? `[${config.host}]` : config.host
  const url = `http://${host}:${port}`
  log.info({ url }, 'listening')
  return { url, port, ...createShutdown(server, deps) }
}
