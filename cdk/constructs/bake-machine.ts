/** What the machine of a bake is told; names and ARNs are put into its text as `${Name}` by CloudFormation. */
export interface BakeMachineOptions {
  /** Minutes after a promotion in which the version is looked at. */
  readonly minutes: number
  /** Share of failed answers, 0 to 1. */
  readonly errors: number
  /** Milliseconds; null for any. */
  readonly latencyMs: number | null
  /** How many log groups there are: `${LogGroup0}` and so on. */
  readonly logGroups: number
  /** Names of metric alarms that roll back; none for no such step. */
  readonly alarms: readonly string[]
}

const MINUTE_S = 60
/** A query takes a few seconds. */
const PAUSE_S = 5
const RETRY = [{ ErrorEquals: ['States.ALL'], IntervalSeconds: 10, BackoffRate: 2, MaxAttempts: 3 }]
const STEP_S = 60

/** A place in the text that CloudFormation fills in. */
export function toFill(name: string): string {
  return `\${${name}}`
}

/**
 * The machine of a bake in the language of Step Functions: each minute it has the log searched for answers of the
 * version, until the time is over, the version fails, or another one is champion. The function decides; the state of an
 * execution is what it gives back.
 */
export function bakeMachine(options: BakeMachineOptions): object {
  const { alarms, minutes, errors, latencyMs } = options
  const settings = {
    registry: toFill('Registry'),
    logGroups: Array.from({ length: options.logGroups }, (_, i) => toFill(`LogGroup${i}`)),
    minutes,
    errors,
    latencyMs,
  }
  const step = (name: string, next: string, failed: string) => ({
    Type: 'Task',
    Resource: 'arn:aws:states:::lambda:invoke',
    Parameters: {
      FunctionName: toFill('Function'),
      Payload: { step: name, settings, 'bake.$': '$' },
    },
    OutputPath: '$.Payload',
    TimeoutSeconds: STEP_S,
    Retry: RETRY,
    Catch: [{ ErrorEquals: ['States.ALL'], ResultPath: '$.failure', Next: failed }],
    Next: next,
  })
  const choose = (outcomes: Readonly<Record<string, string>>) => ({
    Type: 'Choice',
    Choices: Object.entries(outcomes).map(([outcome, Next]) => ({
      Variable: '$.outcome',
      StringEquals: outcome,
      Next,
    })),
    Default: 'Over',
  })
  const tell = (message: string, next: string) => ({
    Type: 'Task',
    Resource: 'arn:aws:states:::sns:publish',
    Parameters: { TopicArn: toFill('Topic'), Subject: 'Espalier: bake time', 'Message.$': message },
    Retry: RETRY,
    Next: next,
  })
  return {
    Comment: 'Espalier: rolls a champion back that fails after its promotion',
    StartAt: 'Begin',
    States: {
      Begin: { Type: 'Pass', Parameters: { 'change.$': '$' }, Next: 'Wait' },
      Wait: { Type: 'Wait', Seconds: MINUTE_S, Next: alarms.length > 0 ? 'LookAtAlarms' : 'Ask' },
      ...(alarms.length > 0 && { LookAtAlarms: lookAtAlarms(alarms) }),
      Ask: step('ask', 'IsAsked', 'TellUndecided'),
      IsAsked: choose({ asked: 'Pause', failing: 'RollBack' }),
      Pause: { Type: 'Wait', Seconds: PAUSE_S, Next: 'Read' },
      Read: step('read', 'IsRead', 'TellUndecided'),
      IsRead: choose({ running: 'Pause', again: 'Ask', healthy: 'Wait', failing: 'RollBack' }),
      RollBack: step('rollback', 'IsRolledBack', 'TellStuck'),
      IsRolledBack: choose({ rolled_back: 'Tell', kept: 'Tell' }),
      Tell: tell('$.message', 'Over'),
      TellUndecided: tell(
        `States.Format('Espalier: the bake of {}@v{} ended without a decision, and nothing was rolled back: {}. The execution {} has the reason.', $.change.model, $.change.to, $.failure.Error, $$.Execution.Id)`,
        'Failed',
      ),
      TellStuck: tell(
        `States.Format('Espalier: {}@v{} fails and could not be rolled back ({}): do it by hand. {}. The execution {} has the reason.', $.change.model, $.change.to, $.failure.Error, $.reason, $$.Execution.Id)`,
        'Failed',
      ),
      Over: { Type: 'Succeed' },
      Failed: { Type: 'Fail', Error: 'BakeFailed', Cause: 'See the state before this one' },
    },
  }
}

/** Metric alarms alone: composite ones can be read only by who may read every alarm of the account. */
function lookAtAlarms(names: readonly string[]): object {
  return {
    Type: 'Task',
    Resource: 'arn:aws:states:::aws-sdk:cloudwatch:describeAlarms',
    Parameters: { AlarmNames: names, AlarmTypes: ['MetricAlarm'], StateValue: 'ALARM' },
    ResultPath: '$.alarms',
    TimeoutSeconds: STEP_S,
    Retry: RETRY,
    Catch: [{ ErrorEquals: ['States.ALL'], ResultPath: '$.failure', Next: 'TellUndecided' }],
    Next: 'Ask',
  }
}
