import { validatorConfig } from '../validator/index.js'
import type { ValidatorConfig } from '../validator/index.js'
import type { FilledConfig } from './config.js'

/** What the validator is told. @throws ValidatorError `bad_config` */
export function validatorConfigOf({ validator, domain, slasherAddress }: FilledConfig): ValidatorConfig {
  return validatorConfig({ ...validator, pool: { ...validator?.pool, domain, slasher: slasherAddress } })
}
