import { EspalierError, restate } from '../../lib/errors.ts'

/** Says which of the caller's models an error is about. */
export async function nameParam<T>(param: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (!(error instanceof EspalierError) || error.param !== undefined) throw error
    throw restate(error, { param })
  }
}
