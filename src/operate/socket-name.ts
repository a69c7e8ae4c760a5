/** The socket's name in the data directory. */
export const SOCKET_NAME = 'node.sock'
