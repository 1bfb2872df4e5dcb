import { CfnBudget } from 'aws-cdk-lib/aws-budgets'
import { Construct } from 'constructs'
import { checkQuota } from './quotas.ts'

/** What a month may cost, and who is told. */
export interface MonthlyBudgetProps {
  /** US dollars a month, whole ones. */
  readonly monthlyUsd: number
  /** Who is told: at 80 % of it by forecast, and at 100 % of it in fact. */
  readonly email: string
  /**
   * The tag whose costs are counted. It must be active as a cost allocation tag in the account that pays.
   * @default every cost of the account
   */
  readonly tag?: { readonly key: string; readonly value: string }
}

/** A budget that tells by mail, of AWS Budgets: it stops nothing. */
export class MonthlyBudget extends Construct {
  constructor(scope: Construct, id: string, props: MonthlyBudgetProps) {
    super(scope, id)
    const { monthlyUsd, email, tag } = props
    checkQuota('the budget of a month', monthlyUsd, 'US dollars', { min: 1, max: 10_000_000 })
    const notify = (notificationType: 'FORECASTED' | 'ACTUAL', threshold: number) => ({
      notification: {
        notificationType,
        comparisonOperator: 'GREATER_THAN',
        threshold,
        thresholdType: 'PERCENTAGE',
      },
      subscribers: [{ subscriptionType: 'EMAIL', address: email }],
    })
    new CfnBudget(this, 'Budget', {
      budget: {
        budgetType: 'COST',
        timeUnit: 'MONTHLY',
        budgetLimit: { amount: monthlyUsd, unit: 'USD' },
        costFilters: tag && { TagKeyValue: [`user:${tag.key}$${tag.value}`] },
      },
      notificationsWithSubscribers: [notify('FORECASTED', 80), notify('ACTUAL', 100)],
    })
  }
}
