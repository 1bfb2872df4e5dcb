/** The part of the library's Unigram model that a vocabulary goes into. */
export interface UnigramModel {
  tokens_to_ids: Map<string, number>
  vocab: string[]
  scores: number[]
  unk_token_id: number
  unk_token: string
  unk_score: number
  trie: PieceSearch
}

interface PieceSearch {
  common_prefix_search(characters: readonly string[], start: number): Iterable<string>
}

/** A list of [piece, score], and which piece stands for what is unknown. */
export interface UnigramPieces {
  readonly pieces: readonly (readonly [string, number])[]
  readonly unknown: number
}

/** The library gives what is unknown a score this far below the lowest. */
const UNKNOWN_PENALTY = 10
/** UTF-16 units by which pieces are told apart before they are looked up. */
const HEAD_UNITS = 2

/** The pieces of a `model`, or null where it is no Unigram model, or one that is left to the library to judge. */
export function readUnigramPieces(model: Readonly<Record<string, unknown>>): UnigramPieces | null {
  const { vocab, unk_id: unknown } = model
  const isUnigram = model.type === 'Unigram' || model.type === undefined
  if (!isUnigram || !Array.isArray(vocab) || typeof unknown !== 'number') return null
  const isSound = vocab.every(
    (entry) => Array.isArray(entry) && typeof entry[0] === 'string' && typeof entry[1] === 'number',
  )
  return isSound && unknown in vocab ? { pieces: vocab, unknown } : null
}

/**
 * Gives the library's Unigram model its pieces: its own way builds a tree with a map for each character, which takes
 * a second and 200 MB for 250,000 pieces in each worker. What the model has by now, the added tokens, stays.
 */
export function fillUnigram(model: UnigramModel, { pieces, unknown }: UnigramPieces): void {
  const added = [...model.tokens_to_ids].filter(([, id]) => id !== undefined)
  const ids = new Map<string, number>()
  const vocab = new Array<string>(pieces.length)
  const scores = new Array<number>(pieces.length)
  let lowest = Number.POSITIVE_INFINITY
  for (let id = 0; id < pieces.length; id++) {
    const [piece, score] = pieces[id] as readonly [string, number]
    vocab[id] = piece
    scores[id] = score
    if (score < lowest) lowest = score
    ids.set(piece, id)
  }
  model.unk_token_id = unknown
  model.unk_token = vocab[unknown] as string
  model.unk_score = lowest - UNKNOWN_PENALTY
  scores[unknown] = model.unk_score
  const foreign = new Set(added.map(([piece]) => piece).filter((piece) => !ids.has(piece)))
  model.trie = createSearch(vocab, (piece) => ids.has(piece) && !foreign.has(piece))
  for (const [piece, id] of added) {
    ids.set(piece, id)
    vocab[id] = piece
  }
  model.tokens_to_ids = ids
  model.vocab = vocab
  model.scores = scores
}

/** Finds the pieces that a text starts with: heads of it are looked up, none longer than a piece of their first units. */
function createSearch(vocab: readonly string[], isPiece: (text: string) => boolean): PieceSearch {
  const longest = new Map<number, number>()
  for (const piece of vocab) {
    if (piece.length < HEAD_UNITS) continue
    const head = headOf(piece)
    if (piece.length > (longest.get(head) ?? 0)) longest.set(head, piece.length)
  }
  return {
    common_prefix_search(characters, start) {
      const found: string[] = []
      let head = ''
      let limit = Number.POSITIVE_INFINITY
      for (let i = start; i < characters.length; i++) {
        const isOpen = head.length < HEAD_UNITS
        head += characters[i] as string
        if (isOpen && head.length >= HEAD_UNITS) limit = longest.get(headOf(head)) ?? 0
        if (head.length > limit) break
        if (isPiece(head)) found.push(head)
      }
      return found
    },
  }
}

function headOf(text: string): number {
  return text.charCodeAt(0) * 0x1_0000 + text.charCodeAt(1)
}
