import { z } from 'zod'
import type { Address } from './address.ts'
import { buildPost, HttpConnection } from './connection.ts'
import { embedBodies } from './embed-bodies.ts'

const vectorsSchema = z.array(z.array(z.number()).min(1))
/** Close enough to one for six printed digits of a float32 vector. */
const LENGTH_TOLERANCE = 1e-3

/**
 * Asks a server for vectors, in one request of several texts and one request of each, and checks that both agree
 * in number and that every vector has length one: what is timed without being read is read here.
 * @throws Error that names the server and what is wrong with its answer
 */
export async function fetchVectors(
  address: Address,
  name: string,
  texts: readonly string[],
): Promise<number[][]> {
  const connection = new HttpConnection(address)
  const post = async (body: string): Promise<number[][]> => {
    const answer = await connection.send(buildPost(address, '/embed', body), { keepBody: true })
    const text = answer.body.toString()
    if (answer.status !== 200) throw new Error(`${name} answered ${answer.status}: ${text}`)
    return vectorsSchema.parse(JSON.parse(text))
  }
  try {
    const together = await post(embedBodies(texts, texts.length)[0] as string)
    const [alone] = await post(embedBodies(texts, 1)[0] as string)
    if (together.length !== texts.length || alone?.length !== together[0]?.length) {
      throw new Error(`${name} gave ${together.length} vectors for ${texts.length} texts`)
    }
    const wrong = together.findIndex((v) => Math.abs(Math.hypot(...v) - 1) > LENGTH_TOLERANCE)
    if (wrong >= 0) throw new Error(`${name}: vector ${wrong} is not of length one`)
    return together
  } finally {
    connection.close()
  }
}
