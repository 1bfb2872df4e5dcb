import { request } from 'node:http'
import type { SnapshotHooks } from '../../../shared/serving/snapshot-hooks.ts'

const API_VERSION = '2018-06-01'

/**
 * Passes through a snapshot of Lambda (SnapStart), as the last thing that a start does: the runtime API answers in
 * every process that goes on from it. Lambda's runtime for Node leaves this call to the function.
 * https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks-custom.html
 * @param runtimeApi host and port of the runtime API
 */
export async function passSnapshot(runtimeApi: string, hooks: SnapshotHooks): Promise<void> {
  await hooks.beforeSnapshot()
  await callRuntime(runtimeApi, 'GET', 'restore/next')
  try {
    await hooks.afterRestore()
  } catch (error) {
    const errorMessage = error instanceof Error ? error.message : String(error)
    const body = JSON.stringify({ errorType: 'AfterRestoreError', errorMessage })
    await callRuntime(runtimeApi, 'POST', 'restore/error', body)
    throw error
  }
}

/** Without a time limit: between question and answer lies the snapshot. */
function callRuntime(
  runtimeApi: string,
  method: 'GET' | 'POST',
  path: string,
  body?: string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const url = `http://${runtimeApi}/${API_VERSION}/runtime/${path}`
    // A connection of its own: one that is kept would be in the snapshot.
    const call = request(url, { method, agent: false }, (answer) => {
      const status = answer.statusCode ?? 0
      answer.resume().once('error', reject)
      answer.once('end', () => {
        if (status < 300) resolve()
        else reject(new Error(`the runtime API answered ${path} with ${status}`))
      })
    })
    call.once('error', reject)
    call.end(body)
  })
}
