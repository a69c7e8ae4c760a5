import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const ENTRIES = ['src/index.ts', 'src/protocol/index.ts', 'src/actors/kernel/index.ts', 'src/actors/kernel/testing/index.ts', 'src/actors/sink/testing.ts', 'src/consumer/index.ts']

/** The types of this package that public signatures mention and that no public entry exports, as `Name (file)`. */
export function missingTypes(): string[] {
  const { config } = ts.readConfigFile(`${root}tsconfig.json`, path => ts.sys.readFile(path)) as { config: object }
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root)
  const program = ts.createProgram(ENTRIES.map(path => root + path), { ...options, incremental: false, noEmit: true })
  const checker = program.getTypeChecker()
  const resolved = (symbol: ts.Symbol): ts.Symbol => (symbol.flags & ts.SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol)
  const exported = new Set<ts.Symbol>()
  for (const path of ENTRIES) {
    const source = program.getSourceFile(root + path)
    const module = source === undefined ? undefined : checker.getSymbolAtLocation(source)
    if (module === undefined) throw new Error(`${path} is no module`)
    for (const symbol of checker.getExportsOfModule(module)) exported.add(resolved(symbol))
  }
  const missing = new Set<string>()
  const look = (node: ts.Node): void => {
    if (isPrivate(node)) return
    if (ts.isTypeReferenceNode(node) || ts.isExpressionWithTypeArguments(node)) check(ts.isTypeReferenceNode(node) ? node.typeName : node.expression)
    forEachPublic(node, look)
  }
  const check = (name: ts.Node): void => {
    const found = checker.getSymbolAtLocation(ts.isQualifiedName(name) ? name.right : name)
    const symbol = found === undefined ? undefined : resolved(found)
    const declaration = symbol?.declarations?.[0]
    if (symbol === undefined || declaration === undefined || exported.has(symbol) || ts.isTypeParameterDeclaration(declaration)) return
    const file = relative(root, declaration.getSourceFile().fileName)
    if (file.startsWith('src/')) missing.add(`${symbol.name} (${file})`)
  }
  for (const symbol of exported) for (const declaration of symbol.declarations ?? []) look(declaration)
  return [...missing].sort()
}

function isPrivate(node: ts.Node): boolean {
  if ((ts.isClassElement(node) || ts.isTypeElement(node)) && node.name !== undefined && ts.isPrivateIdentifier(node.name)) return true
  return ts.canHaveModifiers(node) && ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword) === true
}

/** The parts of a declaration that a user sees: no bodies, no initial values. */
function forEachPublic(node: ts.Node, look: (node: ts.Node) => void): void {
  const hidden = new Set<ts.Node | undefined>()
  if (ts.isFunctionLike(node) && 'body' in node) hidden.add(node.body)
  if (ts.isVariableDeclaration(node) || ts.isPropertyDeclaration(node) || ts.isParameter(node)) {
    if (node.initializer !== undefined && !(ts.isArrowFunction(node.initializer) || ts.isFunctionExpression(node.initializer))) hidden.add(node.initializer)
  }
  if (ts.isClassDeclaration(node)) for (const member of node.members) if (ts.isConstructorDeclaration(member) && isPrivate(member)) hidden.add(member)
  ts.forEachChild(node, child => { if (!hidden.has(child)) look(child) })
}
