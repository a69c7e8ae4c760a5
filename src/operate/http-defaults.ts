/** Where HTTP listens, where it is on and nobody says. By themselves, so that the command line can name them without loading the doors. */
export const DEFAULT_HTTP_HOST = '127.0.0.1'
export const DEFAULT_HTTP_PORT = 9_300
