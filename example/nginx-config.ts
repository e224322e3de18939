import { readFileSync } from 'node:fs'

export interface NginxPorts {
  /** where nginx listens */
  port: number | string
  pages: number | string
  /** one for each process with views */
  views: readonly (number | string)[]
}

/**
 * example/nginx.conf for other ports, all on 127.0.0.1.
 *
 * @param dir - for what nginx writes
 * @throws when the file no longer has what is to be replaced
 */
export function nginxConfig ({ port, pages, views }: NginxPorts, dir: string): string {
  const replacements: [string, string][] = [
    ['listen 127.0.0.1:8080;', `listen 127.0.0.1:${port};`],
    ['server 127.0.0.1:8000;', `server 127.0.0.1:${pages};`],
    ['server 127.0.0.1:8001 max_fails=0;', views.map((view) => `server 127.0.0.1:${view} max_fails=0;`).join('\n    ')],
    ['/tmp/fastify-ws-views-nginx', `${dir}/nginx`]
  ]
  return replacements.reduce((config, [from, to]) => {
    if (!config.includes(from)) throw new Error(`example/nginx.conf: there is no '${from}'`)
    return config.replaceAll(from, to)
  }, readFileSync(new URL('nginx.conf', import.meta.url), 'utf8'))
}
