import { expect, it } from 'vitest'
import { PRICES, type Price, type PriceName } from '../../../shared/deployment/prices.ts'

const all: [string, Price][] = Object.entries(PRICES.prices)

it.each(all)(
  '%s has a page of AWS, and a dated price list where it was found in one',
  (_, price) => {
    expect(price.page).toMatch(/^https:\/\/aws\.amazon\.com\/[a-z0-9/-]+\/$/)
    expect(price.usd).toBeGreaterThan(0)
    if (price.read === undefined) return
    const { source, date } = price.read
    const lists = `https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/`
    expect(source === price.page || source.startsWith(lists)).toBe(true)
    if (source !== price.page) expect(source).toContain(`/current/${PRICES.region}/`)
    expect(date).toMatch(/^\d{4}-\d\d-\d\d$/)
    expect(date <= PRICES.date).toBe(true)
  },
)

// As the lists state them, for amounts of a month or a million: what a slip of the decimal point would change.
it.each<[PriceName, number, number]>([
  ['lambdaRequest', 1e6, 0.2],
  ['httpApiRequest', 1e6, 1],
  ['restApiRequest', 1e6, 3.5],
  ['loadBalancerHour', 730, 16.43],
  ['natGatewayHour', 730, 32.85],
  ['publicAddressHour', 730, 3.65],
])('%s: %d cost $%d', (name, amount, usd) => {
  expect(PRICES.prices[name].usd * amount).toBeCloseTo(usd, 2)
})
