#!/usr/bin/env node
/** Writes docs/options.md from the table of options, as it is built. */
import { writeFileSync } from 'node:fs'
import { optionsPage } from '../dist/src/cli/options/page.js'

writeFileSync(new URL('../docs/options.md', import.meta.url), optionsPage())
