import type { PriceList, PriceName } from './prices.ts'
import type { SettingValue } from './setting-types.ts'
import { DEFAULT_MEMORY_MIB, type SettingKey, stacksOf } from './settings.ts'

/** What a deployment consists of, as far as it costs something. */
export interface CostSettings {
  readonly stacks: ReadonlySet<string>
  /** Memory of the function in MiB. */
  readonly memoryMib: number
  readonly architecture: 'x86_64' | 'arm64'
  readonly snapStart: boolean
  /** Copies of the function that are kept warm. */
  readonly provisioned: number
  /** Whether the endpoint on Lambda is a private REST API. */
  readonly isPrivate: boolean
  /** Whether callers have keys in a secret. */
  readonly hasKeys: boolean
  /** Whether changes of models make events, which an alarm looks after. */
  readonly hasEvents: boolean
  /** Minutes of a bake; null for none. */
  readonly bakeMinutes: number | null
  readonly natGateways: number
  /** Minutes without calls after which the last GPU task is stopped; null where one always runs. */
  readonly quietMinutes: number | null
}

/** A line of a bill. */
export interface CostLine {
  readonly usd: number
  /** How it comes about, such as `730 h × $0.0225`. */
  readonly arithmetic: string
}

/** What one part of a deployment costs. */
export interface PartCost {
  readonly part: string
  readonly usd: number
  readonly lines: readonly CostLine[]
}

/** A month of the price pages of AWS. */
const HOURS = 730
const SECONDS = HOURS * 3600
/** Assumptions, which stand in the arithmetic: bytes of a deployed image in ECR, of versions, of a request's log. */
const CPU_IMAGE_GB = 0.2
const GPU_IMAGE_GB = 4
const MODELS_GB = 0.1
const LOG_KB = 1
/** The part of it that the service itself writes. */
const SERVICE_LOG_KB = 0.5
/** Functions of events: memory, and seconds of a call. */
const EVENT_FUNCTION_GB = 0.25
const EVENT_FUNCTION_S = 0.3
/** A change writes the state and the index, and S3 tells of both; then there is our own event. */
const EVENTS_A_CHANGE = 3
/** Of the machine of a bake: in each minute, and at its ends. A test counts those of a minute. */
export const BAKE_STATES = { minute: 6, ends: 2 } as const
const BAKE_CALLS = 2
/** Of Container Insights for one cluster, service and task family. */
const INSIGHTS_METRICS = 20
/** What an instance takes to come, and is kept for after its last task. */
const WAKE_MINUTES = 5
const KEEP_MINUTES = 5
/**
 * Metrics of alarms, each of which is paid for: of the stack ops, of an endpoint's roll-back, of waking and sleeping, and
 * of the two alarms that target tracking makes by itself. A test counts them in the templates.
 */
export const ALARM_METRICS = {
  ops: { cpu: 5, gpu: 5, gpuQuiet: 1, train: 1, bulk: 1, events: 1 },
  cpu: 4,
  gpu: 6,
  gpuQuiet: 8,
  gpuTracking: 4,
} as const

/** What the settings of a deployment, defaults included, mean for its costs. */
export function readCostSettings(values: ReadonlyMap<SettingKey, SettingValue>): CostSettings {
  const stacks = new Set(stacksOf(values))
  const text = (key: SettingKey) => String(values.get(key) ?? '')
  const number = (key: SettingKey, fallback: number) => Number(values.get(key) ?? fallback)
  const idle = text('gpu.idle') || 'quiet'
  return {
    stacks,
    memoryMib: number('cpu.memory', DEFAULT_MEMORY_MIB),
    architecture: text('cpu.architecture') === 'arm64' ? 'arm64' : 'x86_64',
    snapStart: values.get('cpu.snapstart') === true,
    provisioned: number('cpu.provisioned', 0),
    isPrivate: values.has('cpu.private'),
    // A parameter costs nothing.
    hasKeys: [text('cpu.keys'), text('gpu.keys')].some((arn) => arn.includes(':secretsmanager:')),
    hasEvents: values.get('events') === true,
    bakeMinutes: values.has('bake.minutes') ? number('bake.minutes', 0) : null,
    natGateways: values.has('vpc.id') ? 0 : number('network.nat', stacks.has('gpu') ? 1 : 0),
    quietMinutes: idle === 'quiet' ? number('gpu.quiet', 60) : null,
  }
}

/** What a deployment costs. */
export class Costs {
  readonly #settings: CostSettings
  readonly #list: PriceList

  constructor(settings: CostSettings, list: PriceList) {
    this.#settings = settings
    this.#list = list
  }

  /** US dollars a month while nobody calls, by stack. */
  idle(): PartCost[] {
    const { stacks, hasKeys } = this.#settings
    const gpuMetrics =
      ALARM_METRICS.gpu +
      ALARM_METRICS.gpuTracking +
      (this.#settings.quietMinutes === null ? 0 : ALARM_METRICS.gpuQuiet)
    const parts: (PartCost | undefined)[] = [
      part('ModelStore', [this.#line(MODELS_GB, 'GB of versions', 'storageGbMonth')]),
      stacks.has('cpu')
        ? part('CpuApi', [
            this.#line(ALARM_METRICS.cpu, 'metrics of alarms', 'alarmMonth'),
            this.#line(CPU_IMAGE_GB, 'GB for each image kept', 'imageGbMonth'),
            ...this.#warmth(),
          ])
        : undefined,
      stacks.has('gpu')
        ? part('GpuApi', [
            this.#line(HOURS, 'h', 'loadBalancerHour'),
            this.#line(2 * HOURS, 'h of public addresses', 'publicAddressHour'),
            this.#line(gpuMetrics, 'metrics of alarms', 'alarmMonth'),
            this.#line(GPU_IMAGE_GB, 'GB for each image kept', 'imageGbMonth'),
          ])
        : undefined,
      stacks.has('train') ? part('Train', []) : undefined,
      stacks.has('bulk') ? part('Bulk', []) : undefined,
      this.#network(),
      stacks.has('ops')
        ? part('Ops', [this.#line(this.#watched(), 'metrics of alarms', 'alarmMonth')])
        : undefined,
      hasKeys ? part('keys', [this.#line(1, 'secret', 'secretMonth')]) : undefined,
    ]
    return parts.filter((each) => each !== undefined)
  }

  /**
   * US dollars for requests to the endpoint on Lambda.
   * @param requests how many
   * @param milliseconds that each of them takes
   */
  requests(requests: number, milliseconds: number): PartCost {
    const { isPrivate, provisioned, architecture } = this.#settings
    const gbSecond: PriceName = architecture === 'arm64' ? 'lambdaArmGbSecond' : 'lambdaGbSecond'
    const gb = this.#gigabytes()
    const api: PriceName = isPrivate ? 'restApiRequest' : 'httpApiRequest'
    const name = `CpuApi, ${milliseconds} ms each${provisioned > 0 ? ', beyond the warm copies' : ''}`
    return part(name, [
      this.#line((gb * requests * milliseconds) / 1000, `GB-s (${gb.toFixed(3)} GB)`, gbSecond),
      this.#line(requests, 'requests to the function', 'lambdaRequest'),
      this.#line(requests, 'requests to the API', api),
      this.#line((requests * LOG_KB) / 1e6, 'GB of logs', 'logGb'),
    ])
  }

  /** US dollars for one call that finds the GPU asleep: it runs until the quiet time is over. */
  wake(): PartCost | null {
    const { stacks, quietMinutes } = this.#settings
    if (!stacks.has('gpu') || quietMinutes === null) return null
    const minutes = WAKE_MINUTES + quietMinutes + KEEP_MINUTES
    return part('a wake of the GPU', [
      this.#line(
        minutes / 60,
        `h (${WAKE_MINUTES} + ${quietMinutes} + ${KEEP_MINUTES} min)`,
        'gpuHour',
      ),
      this.#line(
        (INSIGHTS_METRICS * minutes) / 60 / HOURS,
        'metrics of Container Insights',
        'metricMonth',
      ),
    ])
  }

  /** US dollars for changes of models that make events; null where none are made. */
  changes(count: number): PartCost | null {
    if (!this.#settings.hasEvents) return null
    return part(`${count.toLocaleString('en-US')} changes of models`, [
      this.#line(EVENTS_A_CHANGE * count, 'events', 'event'),
      ...this.#calls(count),
    ])
  }

  /**
   * US dollars for one promotion that is looked after to its end; null without a bake time.
   * @param perSecond requests that the endpoints answer: each minute searches the log since the promotion
   */
  bake(perSecond: number): PartCost | null {
    const { bakeMinutes: minutes } = this.#settings
    if (minutes === null) return null
    const logged = ((minutes * (minutes + 1)) / 2) * 60 * perSecond
    return part(`a bake of ${minutes} minutes, ${perSecond} requests a second`, [
      this.#line(BAKE_STATES.minute * minutes + BAKE_STATES.ends, 'states', 'stateTransition'),
      this.#line((logged * SERVICE_LOG_KB) / 1e6, 'GB of logs searched', 'logScanGb'),
      ...this.#calls(BAKE_CALLS * minutes),
    ])
  }

  #calls(count: number): CostLine[] {
    const gbSeconds = count * EVENT_FUNCTION_GB * EVENT_FUNCTION_S
    return [
      this.#line(gbSeconds, `GB-s (${EVENT_FUNCTION_S} s each)`, 'lambdaGbSecond'),
      this.#line(count, 'calls of the function', 'lambdaRequest'),
    ]
  }

  #warmth(): CostLine[] {
    const { snapStart, provisioned, architecture } = this.#settings
    const gb = this.#gigabytes()
    const unit = (what: string) => `GB-s (${what}${gb.toFixed(3)} GB for a month)`
    const warm: PriceName =
      architecture === 'arm64' ? 'provisionedArmGbSecond' : 'provisionedGbSecond'
    return [
      ...(snapStart
        ? [this.#line(gb * SECONDS, unit('the snapshot of one version, '), 'snapStartGbSecond')]
        : []),
      ...(provisioned > 0
        ? [this.#line(provisioned * gb * SECONDS, unit(`${provisioned} × `), warm)]
        : []),
    ]
  }

  #network(): PartCost | undefined {
    const { stacks, natGateways } = this.#settings
    if (!['gpu', 'train', 'bulk'].some((stack) => stacks.has(stack))) return undefined
    if (natGateways === 0) return part('Network', [])
    return part('Network', [
      this.#line(natGateways * HOURS, 'h', 'natGatewayHour'),
      this.#line(natGateways * HOURS, 'h of public addresses', 'publicAddressHour'),
    ])
  }

  #watched(): number {
    const { stacks, quietMinutes, hasEvents } = this.#settings
    const { gpuQuiet, events, ...byStack } = ALARM_METRICS.ops
    const own = Object.entries(byStack).reduce(
      (sum, [stack, metrics]) => sum + (stacks.has(stack) ? metrics : 0),
      0,
    )
    const sleeps = stacks.has('gpu') && quietMinutes !== null
    return own + (sleeps ? gpuQuiet : 0) + (hasEvents ? events : 0)
  }

  #gigabytes(): number {
    return this.#settings.memoryMib / 1024
  }

  #line(amount: number, unit: string, name: PriceName): CostLine {
    const { usd } = this.#list.prices[name]
    const shown =
      amount >= 1e6
        ? amount.toLocaleString('en-US', { maximumFractionDigits: 0 })
        : Number(amount.toPrecision(4))
    return { usd: amount * usd, arithmetic: `${shown} ${unit} × $${plain(usd)}` }
  }
}

function part(name: string, lines: readonly CostLine[]): PartCost {
  return { part: name, usd: lines.reduce((sum, { usd }) => sum + usd, 0), lines }
}

/** A price without an exponent. */
function plain(usd: number): string {
  return usd.toFixed(10).replace(/0+$/, '').replace(/\.$/, '')
}
