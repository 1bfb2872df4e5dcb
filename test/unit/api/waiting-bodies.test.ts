import { describe, expect, it, onTestFinished } from 'vitest'
import { networkOf, WaitingBodies } from '../../../functions/api/requests/waiting-bodies.ts'
import type { EspalierError } from '../../../shared/lib/errors.ts'

const LIMITS = {
  maxWaitingBodies: 10,
  maxWaitingBytes: 1000,
  addressShare: 50,
  minBodyRate: 100,
}

function setUp(limits: Partial<typeof LIMITS> = {}) {
  const clock = { now: 0, wallMs: () => 0, monotonicMs: () => clock.now }
  const bodies = new WaitingBodies({ ...LIMITS, ...limits }, clock)
  const lost: string[] = []
  const enter = (name: string, address = name) => {
    const giveUp = ({ code }: EspalierError) => void lost.push(`${name} ${code}`)
    const body = bodies.enter(address, giveUp)
    onTestFinished(() => body.leave())
    return body
  }
  return { clock, bodies, lost, enter }
}

describe('WaitingBodies', () => {
  it('gives up the most silent body of an address that has its share', () => {
    const { clock, lost, enter } = setUp()
    enter('other')
    const own = ['a', 'b', 'c', 'd', 'e'].map((name) => enter(name, 'one'))
    clock.now = 5
    own[0]?.arrived(1)
    enter('f', 'one')
    expect(lost).toEqual(['b request_timeout'])
    enter('g', 'two')
    expect(lost).toHaveLength(1)
  })

  it('gives up the most silent of all where all have too many', () => {
    const { bodies, lost, enter } = setUp()
    for (let i = 0; i < 11; i++) enter(`n${i}`)
    expect(lost).toEqual(['n0 request_timeout'])
    expect(bodies.state.bodies).toBe(10)
  })

  it('makes room for bytes among the silent, and refuses the newcomer where none is', () => {
    const { clock, bodies, lost, enter } = setUp({ addressShare: 100 })
    enter('a').arrived(600)
    const busy = enter('b')
    expect(() => busy.arrived(600)).toThrow(expect.objectContaining({ code: 'overloaded' }))
    expect(lost).toEqual([])
    clock.now = 2_000
    enter('c').arrived(600)
    expect(lost).toEqual(['a request_timeout'])
    const refused = { slow: 0, silent: 1, full: 1 }
    expect(bodies.state).toEqual({ bodies: 1, bytes: 600, refused })
  })

  it('takes one body larger than the limit', () => {
    const { lost, enter } = setUp()
    enter('a').arrived(5_000)
    expect(lost).toEqual([])
  })

  it('an address with most of the bytes is held to its share, others are not', () => {
    const { enter } = setUp()
    enter('a', 'one').arrived(300)
    const second = enter('b', 'one')
    expect(() => second.arrived(300)).toThrow(expect.objectContaining({ code: 'overloaded' }))
    enter('c', 'two').arrived(400)
  })

  it('gives up what comes more slowly than the lowest rate, in every window', () => {
    const { clock, bodies, lost, enter } = setUp({ maxWaitingBytes: 100_000 })
    enter('silent')
    const steady = enter('steady')
    const stops = enter('stops')
    stops.arrived(300)
    steady.arrived(300)
    clock.now = 9_999
    bodies.sweep()
    expect(lost).toEqual([])
    for (const body of [steady, stops]) body.arrived(800)
    clock.now = 10_000
    bodies.sweep()
    expect(lost).toEqual(['silent request_timeout'])
    steady.arrived(1_000)
    clock.now = 20_000
    bodies.sweep()
    expect(lost).toEqual(['silent request_timeout', 'stops request_timeout'])
    expect(bodies.state.refused).toEqual({ slow: 2, silent: 0, full: 0 })
  })

  it('asks for no rate where the setting is 0', () => {
    const { clock, bodies, lost, enter } = setUp({ minBodyRate: 0 })
    enter('silent')
    clock.now = 1e9
    bodies.sweep()
    expect(lost).toEqual([])
  })
})

describe('networkOf', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::9', '2001:db8:1:2'],
    ['2001:0db8::1', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    ['', ''],
  ])('%s is of %s', (address, network) => {
    expect(networkOf(address)).toBe(network)
  })
})
