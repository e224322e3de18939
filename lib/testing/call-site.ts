/**
 * Remember the line of the test. An error that a timer or a connection makes has a stack that does not lead there.
 *
 * @returns gives an error the stack of this call
 */
export function callSite (): <Failure extends Error>(error: Failure) => Failure {
  const here = new Error('here')
  return (error) => {
    const [, ...lines] = (here.stack ?? '').split('\n')
    const [head] = (error.stack ?? String(error)).split('\n    at ', 1)
    error.stack = [head, ...lines].join('\n')
    return error
  }
}
