import stylistic from '@stylistic/eslint-plugin'
import tseslint from 'typescript-eslint'
import { sendResultUsed } from './.eslint/send-result-used.js'

export default tseslint.config(
  // assembly/ is AssemblyScript: its own compiler checks it, and its types are not TypeScript's.
  { ignores: ['dist/', 'node_modules/', '.dependency-cruiser.cjs', 'src/protocol/secp256k1/assembly/'] },
  {
    files: ['src/**/*.{ts,cts}', 'test/**/*.ts', 'bench/**/*.ts', 'examples/**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { '@stylistic': stylistic, house: { rules: { 'send-result-used': sendResultUsed } } },
    rules: {
      'house/send-result-used': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_' }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      'max-lines': ['error', { max: 420 }],
      '@stylistic/space-before-function-paren': ['error', { anonymous: 'always', named: 'never', asyncArrow: 'always' }],
      '@stylistic/semi': ['error', 'never'],
      '@stylistic/quotes': ['error', 'single', { avoidEscape: true, allowTemplateLiterals: 'always' }],
      '@stylistic/eol-last': 'error',
      '@stylistic/no-trailing-spaces': 'error',
      eqeqeq: 'error',
      'no-console': 'error',
    },
  },
  {
    // CommonJS imports by `require`
    files: ['src/**/*.cts'],
    rules: { '@typescript-eslint/no-require-imports': ['error', { allowAsImport: true }] },
  },
  {
    files: ['src/actors/**/*.ts'],
    rules: {
      'no-restricted-properties': ['error',
        { object: 'Date', property: 'now', message: 'use the injected clock' },
        { object: 'performance', property: 'now', message: 'use the injected clock' },
        { object: 'Math', property: 'random', message: 'use the injected random' }],
      'no-restricted-globals': ['error', { name: 'setInterval', message: 'use ctx.every' }],
    },
  },
  {
    files: ['src/main.ts', 'src/cli/**/*.ts', 'bench/**/*.ts', 'examples/**/*.ts', 'test/**/*.ts'],
    rules: { 'no-console': 'off' },
  },
  {
    // chai's assertions are expressions; tests build hostile values on purpose
    files: ['test/**/*.ts', 'bench/**/*.ts'],
    rules: { '@typescript-eslint/no-unused-expressions': 'off', '@typescript-eslint/no-base-to-string': 'off' },
  },
)
