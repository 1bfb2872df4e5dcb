/** Bytes turned into characters in one call; more would overflow the stack. */
const CHUNK = 0x8000

/** Bytes as base64. */
export function encodeBase64(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += CHUNK) {
    text += String.fromCharCode(...bytes.subarray(at, at + CHUNK))
  }
  return btoa(text)
}

/** The numbers of little-endian float32 bytes in base64. */
export function decodeFloats(base64: string): Float32Array {
  const text = atob(base64)
  const bytes = new Uint8Array(text.length)
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at)
  const view = new DataView(bytes.buffer)
  const floats = new Float32Array(text.length >> 2)
  for (let at = 0; at < floats.length; at++) floats[at] = view.getFloat32(at * 4, true)
  return floats
}
