/**
 * The result of `send` may not be ignored (DESIGN: feedback `ok`, `backoff`, `rejected`, `closed`): a call whose type is
 * `Feedback` is no statement. Where the mailbox's own policy says everything, `void ref.send(…)` states that.
 */
export const sendResultUsed = {
  meta: { type: 'problem', schema: [], messages: { ignored: 'the feedback of a send is ignored: use it, or write `void` where the policy of the mailbox says enough' } },
  create (context) {
    const services = context.sourceCode.parserServices
    const checker = services.program.getTypeChecker()
    const feedback = new Set(['ok', 'backoff', 'rejected', 'closed'])
    const isFeedback = (type) => type.isUnion() && type.types.length === feedback.size &&
      type.types.every(part => part.isStringLiteral() && feedback.has(part.value))
    return {
      ExpressionStatement (node) {
        if (node.expression.type !== 'CallExpression') return
        const type = checker.getTypeAtLocation(services.esTreeNodeToTSNodeMap.get(node.expression))
        if (isFeedback(type)) context.report({ node, messageId: 'ignored' })
      },
    }
  },
}
