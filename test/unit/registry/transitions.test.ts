import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeState,
  emptyState,
  encodeState,
  type ModelState,
  versionOfAlias,
} from '../../../shared/registry/records/state.ts'
import { chooseVersion, routePosition } from '../../../shared/registry/records/traffic.ts'
import {
  type ChangeNote,
  markDeleted,
  promote,
  removeAlias,
  rollback,
  setShadow,
  setTraffic,
  type Transition,
} from '../../../shared/registry/records/transitions.ts'

const note: ChangeNote = { id: 'id', at: '2026-01-02T03:04:05.000Z', by: 'me', reason: 'because' }

function apply(...transitions: Transition[]): ModelState {
  return transitions.reduce((state, step) => step(state, note), emptyState('intent'))
}

const versionArb = fc.integer({ min: 1, max: 5 })
const aliasArb = fc.constantFrom('champion', 'challenger', 'constructor')
const stepArb: fc.Arbitrary<Transition> = fc.oneof(
  fc.tuple(aliasArb, versionArb).map(([alias, version]) => promote(alias, version)),
  aliasArb.map((alias) => rollback(alias)),
  aliasArb.map((alias) => removeAlias(alias)),
  versionArb.map((version) => markDeleted(version)),
  fc.tuple(versionArb, versionArb, fc.integer({ min: 1, max: 99 })).map(([a, b, percent]) =>
    setTraffic(
      a === b
        ? null
        : [
            { version: a, percent },
            { version: b, percent: 100 - percent },
          ],
    ),
  ),
  versionArb.map((version) => setShadow({ version, samplePercent: 5 })),
)

describe('state transitions', () => {
  it('keep every invariant over random steps', () => {
    fc.assert(
      fc.property(fc.array(stepArb, { maxLength: 60 }), (steps) => {
        let state = emptyState('intent')
        for (const step of steps) {
          const before = JSON.stringify(state)
          let next = state
          try {
            next = step(state, note)
          } catch (error) {
            expect(error).toMatchObject({ name: 'EspalierError' })
          }
          // Pure: what was handed in is as it was; a step is one revision and one line of history.
          expect(JSON.stringify(state)).toBe(before)
          const changed = next === state ? 0 : 1
          expect(next.revision).toBe(state.revision + changed)
          expect(next.history.length).toBe(state.history.length + changed)
          const used = [
            ...Object.values(next.aliases),
            ...(next.traffic ?? []).map(({ version }) => version),
            ...(next.shadow ? [next.shadow.version] : []),
          ]
          for (const version of used) expect(next.deleted).not.toContain(version)
          expect(decodeState(encodeState(next), { url: 'memory:', name: 'intent' })).toEqual(next)
          state = next
        }
      }),
      { numRuns: 200 },
    )
  })

  it('rollback undoes promotions one by one, as a stack does', () => {
    const move = fc.oneof(versionArb, fc.constant('back' as const))
    fc.assert(
      fc.property(fc.array(move, { maxLength: 80 }), (moves) => {
        let state = emptyState('intent')
        const stack: number[] = []
        for (const action of moves) {
          if (action !== 'back') {
            state = promote('champion', action)(state, note)
            if (stack.at(-1) !== action) stack.push(action)
          } else if (stack.length > 1) {
            stack.pop()
            state = rollback('champion')(state, note)
          } else {
            expect(() => rollback('champion')(state, note)).toThrow('no earlier version')
          }
          expect(versionOfAlias(state, 'champion')).toBe(stack.at(-1) ?? null)
        }
      }),
      { numRuns: 200 },
    )
  })

  it('notes who, when and why', () => {
    const state = apply(promote('champion', 1), promote('champion', 2))
    expect(state.history[1]).toEqual({
      ...note,
      action: 'promote',
      alias: 'champion',
      from: 1,
      to: 2,
    })
  })

  it('promotes only from the expected version', () => {
    const state = apply(promote('champion', 1, null), promote('champion', 2, 1))
    const stale = promote('champion', 3, 1)
    expect(() => stale(state, note)).toThrow('intent@champion is v2, not v1')
    expect(() => promote('champion', 3, null)(state, note)).toThrow('is v2, not not set')
    expect(promote('champion', 2, 2)(state, note)).toBe(state)
  })

  it('roll back only from the expected version', () => {
    const state = apply(promote('champion', 1), promote('champion', 2))
    expect(rollback('champion', 2)(state, note)).toMatchObject({ aliases: { champion: 1 } })
    expect(() => rollback('champion', 1)(state, note)).toThrow(
      'intent@champion is v2, not v1; nothing was changed',
    )
    expect(() => rollback('challenger', 2)(state, note)).toThrow('is not set, not v2')
  })

  it('ends a traffic split when the champion moves', () => {
    const split = setTraffic([
      { version: 1, percent: 90 },
      { version: 2, percent: 10 },
    ])
    const state = apply(promote('champion', 1), promote('champion', 2), split)
    expect(promote('champion', 2)(state, note).traffic).toBeNull()
    expect(rollback('champion')(state, note)).toMatchObject({
      traffic: null,
      aliases: { champion: 1 },
    })
    expect(promote('challenger', 1)(state, note).traffic).toEqual(state.traffic)
  })

  it('deletes nothing that is in use and brings nothing back', () => {
    const state = apply(
      promote('champion', 1),
      promote('champion', 2),
      setShadow({ version: 3, samplePercent: 1 }),
    )
    expect(() => markDeleted(2)(state, note)).toThrow('in use by alias champion')
    expect(() => markDeleted(3)(state, note)).toThrow('in use by shadow')
    const deleted = markDeleted(1)(state, note)
    expect(() => promote('champion', 1)(deleted, note)).toThrow('intent@v1 was deleted')
    expect(() => rollback('champion')(deleted, note)).toThrow('intent@v1 was deleted')
    expect(() => setTraffic([{ version: 1, percent: 100 }])(deleted, note)).toThrow('deleted')
  })

  it('bounds history and aliases', () => {
    const many = Array.from({ length: 300 }, (_, i) => promote('champion', i + 1))
    const state = apply(...many)
    expect(state.revision).toBe(300)
    expect(state.history).toHaveLength(200)
    expect(state.history[0]!.to).toBe(101)
    const aliases = Array.from({ length: 32 }, (_, i) => promote(`a${i}`, 1))
    expect(() => apply(...aliases, promote('b', 1))).toThrow('32 aliases')
  })

  it.each([
    [[], '1 to 8 versions'],
    [[{ version: 1, percent: 50 }], 'add up to 50 %'],
    [[{ version: 1, percent: 100.5 }], 'whole number'],
    [[{ version: 1, percent: 0 }], 'whole number'],
    [[1, 1].map((version) => ({ version, percent: 50 })), 'named twice'],
    [[{ version: 0, percent: 100 }], 'version 0'],
  ])('refuses the traffic %j', (traffic, message) => {
    expect(() => setTraffic(traffic)).toThrow(message)
  })

  it.each([0, -1, 101, Number.NaN])('refuses a shadow sample of %s %%', (samplePercent) => {
    expect(() => setShadow({ version: 1, samplePercent })).toThrow('shadow sample')
  })

  it.each(['v7', '7', 'Champion', '', 'a b', '../x', '__proto__'])(
    'refuses the alias %j',
    (alias) => {
      expect(() => promote(alias, 1)).toThrow('alias')
      expect(() => rollback(alias)).toThrow('alias')
    },
  )
})

describe('traffic', () => {
  const split = apply(
    promote('champion', 7),
    setTraffic([
      { version: 7, percent: 90 },
      { version: 8, percent: 10 },
    ]),
  )

  it('sends a key to the same version always, and shares as set', () => {
    let canary = 0
    for (let key = 0; key < 10_000; key++) {
      const chosen = chooseVersion(split, `user ${key}`)
      expect(chooseVersion(split, `user ${key}`)).toEqual(chosen)
      if (chosen!.version === 8) canary++
    }
    // Four standard errors of a share of 10 %.
    expect(Math.abs(canary - 1_000)).toBeLessThan(120)
  })

  it('keeps on the canary whoever was on it when its share grows', () => {
    const grown = setTraffic([
      { version: 8, percent: 30 },
      { version: 7, percent: 70 },
    ])(split, note)
    const before = setTraffic([
      { version: 8, percent: 10 },
      { version: 7, percent: 90 },
    ])(split, note)
    for (let key = 0; key < 2_000; key++) {
      if (chooseVersion(before, `${key}`)!.version === 8) {
        expect(chooseVersion(grown, `${key}`)!.version).toBe(8)
      }
    }
  })

  it('falls back to the champion, and to the largest share without a key', () => {
    expect(chooseVersion(split)).toEqual({ version: 7, via: 'traffic' })
    expect(chooseVersion(setTraffic(null)(split, note), 'x')).toEqual({ version: 7, via: 'alias' })
    expect(chooseVersion(emptyState('intent'), 'x')).toBeNull()
  })

  it('places the same key differently for different models', () => {
    expect(routePosition('a', 'user')).not.toBe(routePosition('b', 'user'))
  })
})
