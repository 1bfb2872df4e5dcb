import { expect, it } from 'vitest'
import { IdMint } from '../../../shared/lib/id-mint.ts'

it('mints ids of 24 hex digits, none of them twice', () => {
  const mint = new IdMint()
  const ids = Array.from({ length: 1_000 }, () => mint.mint())
  expect(new Set(ids).size).toBe(1_000)
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{24}$/)
})

it('gives two processes of one snapshot ids of their own once they are renewed', () => {
  // Both go on from the same memory: the same random part, the same number.
  const asSnapshot = () => new IdMint((bytes) => bytes.fill(byte))
  let byte = 1
  const clones = [asSnapshot(), asSnapshot()]
  expect(clones[0]!.mint()).toBe(clones[1]!.mint())
  const renewed = clones.map((clone) => {
    byte++
    clone.renew()
    return clone.mint()
  })
  expect(renewed[0]).not.toBe(renewed[1])
})

it('takes its random part from the system', () => {
  expect(new IdMint().mint().slice(0, 16)).not.toBe(new IdMint().mint().slice(0, 16))
})
