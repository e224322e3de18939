import { once } from 'node:events'
import { lookup } from 'node:dns/promises'
import { createConnection } from 'node:net'
import t, { type Test } from 'tap'
import type { Page } from 'playwright-core'
import WebSocket from 'ws'
import { buildApp } from '../example/app.ts'
import { freePort } from './fixtures/free-port.ts'
import { startRedis } from './fixtures/redis.ts'
import { connected, joinChat, spawnSandbox, startBrowser, startSandbox } from './fixtures/sandbox.ts'
import { Journal } from './fixtures/waiting.ts'

// Chromium may have to be installed first.
t.setTimeout(300_000)

const visit = await startBrowser(t)
const url = await startSandbox(t)

/** What the elements say that describe an input. */
async function describedBy (page: Page, label: string): Promise<string> {
  const ids = await page.getByLabel(label, { exact: true }).getAttribute('aria-describedby')
  const texts = (ids ?? '').split(' ').map((id) => page.locator(`#${id}`).innerText())
  return (await Promise.all(texts)).join(' ').trim()
}

/** Wait until the message was accepted, or refused as a whole. */
async function answered (page: Page): Promise<void> {
  const [input, alert] = await Promise.all([page.locator('#text').elementHandle(), page.locator('#say-errors').elementHandle()])
  await page.waitForFunction(([input, alert]) => (input as unknown as { value: string }).value === '' || alert?.textContent !== '', [input, alert] as const)
}

async function lastSaid (page: Page, text: string): Promise<string> {
  const entry = page.getByRole('log').locator('.said').filter({ hasText: text }).last()
  await entry.waitFor()
  return entry.locator('.words').innerText()
}

t.test('two people who chose a name and a colour talk to each other', async (t) => {
  const ada = await visit(`${url}/chat/`)
  const grace = await visit(`${url}/chat/`)
  await joinChat(ada, 'Ada', 'Violet')
  await joinChat(grace, 'Grace', 'Orange')

  await ada.getByLabel('Message').fill('Good morning')
  await ada.getByRole('button', { name: 'Send' }).click()
  t.equal(await lastSaid(grace, 'Good morning'), 'Good morning')
  t.equal(await lastSaid(ada, 'Good morning'), 'Good morning', 'the sender sees it too')
  const from = grace.getByRole('log').locator('.from').last()
  t.equal(await from.innerText(), 'Ada')
  t.equal(await from.getAttribute('data-colour'), 'violet')
  await answered(ada)

  await grace.getByLabel('Message').fill('Hello Ada')
  await grace.getByRole('button', { name: 'Send' }).click()
  t.equal(await lastSaid(ada, 'Hello Ada'), 'Hello Ada')
})

t.test('the error of a message stands beside its input, and what was written is kept', async (t) => {
  const page = await visit(`${url}/chat/`)
  await joinChat(page, 'Ada')
  const input = page.getByLabel('Message')

  await page.getByRole('button', { name: 'Send' }).click()
  await page.getByText('This field is required.').waitFor()
  t.equal(await describedBy(page, 'Message'), 'This field is required.')
  t.equal(await input.getAttribute('aria-invalid'), 'true')

  await input.fill('x'.repeat(501))
  await input.press('Enter')
  await page.getByText('Ensure this value has at most 500 characters (it has 501).').waitFor()
  t.equal(await input.inputValue(), 'x'.repeat(501))

  await input.fill('short enough')
  await input.press('Enter')
  t.equal(await lastSaid(page, 'short enough'), 'short enough')
  await page.locator('#text:not([aria-invalid])').waitFor()
  t.equal(await describedBy(page, 'Message'), '')
})

t.test('the form for name and colour works without JavaScript, its errors beside the inputs', async (t) => {
  const page = await visit(`${url}/chat/`, { javaScriptEnabled: false })
  await page.getByLabel('Name').fill(' ')
  await page.getByLabel('Colour').selectOption('pink')
  await page.getByRole('button', { name: 'Join the chat' }).click()
  const error = page.locator('#name-error')
  t.equal(await error.innerText(), 'This field is required.')
  t.match(await page.getByLabel('Name').getAttribute('aria-describedby'), /\bname-error\b/)
  t.equal(await page.getByLabel('Name').getAttribute('aria-invalid'), 'true')
  t.equal(await page.getByLabel('Colour').inputValue(), 'pink', 'what was right is kept')

  await page.getByLabel('Name').fill('  <i>Ada</i> ')
  await page.getByRole('button', { name: 'Join the chat' }).click()
  t.equal(await page.locator('#me-name').innerText(), '<i>Ada</i>', 'stripped, and shown as text')
  t.equal(await page.locator('#me-name').getAttribute('data-colour'), 'pink')
  const response = await page.reload()
  t.equal(response?.request().method(), 'GET', 'a reload does not send the form again')
})

t.test('HTML in a message is shown as text', async (t) => {
  const page = await visit(`${url}/chat/`)
  await joinChat(page, 'Ada')
  const html = '<img src=x onerror="document.title = \'broken\'"><b>bold</b>'
  await page.getByLabel('Message').fill(html)
  await page.getByLabel('Message').press('Enter')
  t.equal(await lastSaid(page, 'bold'), html)
  t.equal(await page.getByRole('log').locator('img, b').count(), 0)
})

t.test('everything can be done with the keyboard', async (t) => {
  const page = await visit(`${url}/chat/`)
  await page.keyboard.type('Ada')
  await page.keyboard.press('Tab')
  await page.keyboard.type('Green')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await connected(page)
  t.equal(await page.locator('#me-name').getAttribute('data-colour'), 'green')

  await page.keyboard.type('sent with Enter')
  await page.keyboard.press('Enter')
  t.equal(await lastSaid(page, 'with Enter'), 'sent with Enter')
  await answered(page)
  await page.keyboard.type('sent with the button')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Space')
  t.equal(await lastSaid(page, 'the button'), 'sent with the button')
})

t.test('a new name reaches the other windows of the same person', async (t) => {
  const first = await visit(`${url}/chat/`)
  await joinChat(first, 'Ada')
  const second = await first.context().newPage()
  await second.goto(`${url}/chat/`)
  await connected(second)

  await first.bringToFront()
  await first.getByText('Change').click()
  await first.getByLabel('Name').fill('Countess')
  await first.getByRole('button', { name: 'Save' }).click()
  await second.locator('#me-name').getByText('Countess').waitFor()
  await connected(second)
  await second.getByLabel('Message').fill('under my new name')
  await second.getByLabel('Message').press('Enter')
  await lastSaid(first, 'under my new name')
  t.equal(await first.getByRole('log').locator('.from').last().innerText(), 'Countess')
})

t.test('errors of the whole message stand on top of the form', async (t) => {
  const page = await visit(`${url}/chat/`)
  await joinChat(page, 'Ada')
  const input = page.getByLabel('Message')
  for (let i = 0; i < 25; i++) {
    await input.fill(`message ${i}`)
    await input.press('Enter')
    await answered(page)
    if (await page.locator('#say').getByRole('alert').innerText() !== '') break
  }
  t.match(await page.locator('#say').getByRole('alert').innerText(), /Too many messages/)
  t.not(await input.inputValue(), '', 'what was refused is still there')
})

t.test('who leaves the chat is signed out in all windows', async (t) => {
  const first = await visit(`${url}/chat/`)
  await joinChat(first, 'Ada')
  const second = await first.context().newPage()
  await second.goto(`${url}/chat/`)
  await connected(second)

  await first.bringToFront()
  await first.getByText('Change').click()
  await first.getByRole('button', { name: 'Leave the chat' }).click()
  await first.getByRole('button', { name: 'Join the chat' }).waitFor()
  // Chromium gives little time to a page in the background
  await second.bringToFront()
  await second.getByRole('button', { name: 'Join the chat' }).waitFor()
  t.equal(await second.getByLabel('Message').count(), 0)
})

t.test('echo answers text with text and bytes with bytes', async (t) => {
  const page = await visit(`${url}/echo/`)
  await connected(page)
  const message = page.getByLabel('Message')
  const last = page.getByRole('log').locator('.trip').last()

  await message.fill('Grüße 🎉')
  await message.press('Enter')
  await last.getByText('Grüße 🎉').waitFor()
  t.match(await last.innerText(), /^Text\s/)
  t.match(await last.innerText(), /unchanged/)
  t.equal(await message.inputValue(), '')

  await page.getByLabel('Bytes').check()
  await message.fill('ff 00 c3 28')
  await message.press('Enter')
  await last.getByText('ff 00 c3 28').waitFor()
  t.match(await last.innerText(), /^Bytes\s[^]*4 bytes[^]*unchanged/)

  await message.fill('f')
  await page.getByRole('button', { name: 'Send' }).click()
  await page.getByText('Enter pairs of hex digits').waitFor()
  t.match(await describedBy(page, 'Message'), /Enter pairs of hex digits/)

  await page.getByLabel('File', { exact: true }).first().check()
  await page.locator('#file').setInputFiles({ name: 'three', mimeType: 'application/octet-stream', buffer: Buffer.from([1, 2, 3]) })
  await page.getByRole('button', { name: 'Send' }).click()
  await last.getByText('01 02 03').waitFor()
})

t.test('after a file that is too big the page says why, and connects again only when it is told to', async (t) => {
  const page = await visit(`${url}/echo/`)
  await connected(page)
  await page.getByLabel('File', { exact: true }).first().check()
  await page.locator('#file').setInputFiles({ name: 'big', mimeType: 'application/octet-stream', buffer: Buffer.alloc(65 * 1024) })
  await page.getByRole('button', { name: 'Send' }).click()
  await page.getByRole('status').getByText('too big').waitFor()
  t.match(await page.getByRole('status').innerText(), /1009/)
  t.ok(await page.getByRole('button', { name: 'Send' }).isDisabled())

  await page.getByRole('button', { name: 'Connect again' }).click()
  await connected(page)
  t.notOk(await page.getByRole('button', { name: 'Send' }).isDisabled())
})

t.test('ping answers ping with pong and pong with ping', async (t) => {
  const page = await visit(`${url}/ping/`)
  await connected(page)
  const trips = page.getByRole('log').locator('.trip')
  await page.getByRole('button', { name: 'Send ping' }).click()
  await trips.nth(0).waitFor()
  t.match(await trips.nth(0).innerText(), /^ping\s*→\s*pong\s+[\d.]+ ms$/)
  await page.getByRole('button', { name: 'Send pong' }).click()
  await trips.nth(1).waitFor()
  t.match(await trips.nth(1).innerText(), /^pong\s*→\s*ping\s+[\d.]+ ms$/)
})

t.test('ping answers nothing else', async (t) => {
  const page = await visit(`${url}/ping/`)
  const socket = new WebSocket(await page.locator('main').getAttribute('data-socket') ?? '')
  t.teardown(() => socket.terminate())
  const answers: string[] = []
  socket.on('message', (data) => answers.push(String(data)))
  await once(socket, 'open')
  for (const text of ['PING', ' ping', '', '{"type":"ping"}', 'ping']) socket.send(text)
  await once(socket, 'message')
  t.same(answers, ['pong'], 'messages are answered in order: of five only the last had an answer')
})

t.test('a server that is killed and started again', async (t) => {
  const first = await spawnSandbox(t)
  const echo = await visit(`${first.url}/echo/`)
  const chat = await visit(`${first.url}/chat/`)
  await connected(echo)
  await joinChat(chat, 'Ada')
  await chat.getByLabel('Message').fill('half a sentence')

  const ended = once(first.process, 'exit')
  first.process.kill('SIGKILL')
  for (const page of [echo, chat]) {
    await page.getByRole('status').getByText('Disconnected').waitFor()
    t.ok(await page.getByRole('button', { name: 'Send' }).isDisabled())
    t.ok(await page.getByText('You can send as soon as there is a connection').isVisible(), 'the page says why')
  }
  await ended

  await spawnSandbox(t, first.port)
  await connected(echo)
  await echo.getByLabel('Message').fill('back')
  await echo.getByRole('button', { name: 'Send' }).click()
  await echo.getByRole('log').getByText('back').waitFor()
  // The sessions were in the memory of the first process.
  await joinChat(chat, 'Ada')
  t.equal(await chat.getByLabel('Message').inputValue(), 'half a sentence', 'what was being written is kept')
})

t.test('a server that is connected but dead is noticed, and so is its return', async (t) => {
  const server = await spawnSandbox(t)
  for (const path of ['/echo/', '/ping/', '/chat/']) {
    const page = await visit(`${server.url}${path}`)
    if (path === '/chat/') await joinChat(page, 'Ada')
    await connected(page)
    await page.clock.install()
    const received = new Journal()
    page.once('websocket', (socket) => { socket.on('framereceived', (frame) => { received.add(frame) }) })
    await page.reload()
    await connected(page)
    // the chat says hello when it has connected
    const atOpen = path === '/chat/' ? 1 : 0
    await received.until(atOpen)

    await page.clock.fastForward(16_000)
    await received.until(atOpen + 1)
    t.equal(received.entries.length, atOpen + 1, `${path} asks, and is answered`)
    // a turn of the page's own: it has read what has come
    await page.evaluate(() => {})
    await page.clock.fastForward(6_000)
    t.match(await page.getByRole('status').innerText(), 'Connected', `${path} is content with that`)

    server.process.kill('SIGSTOP')
    await page.clock.fastForward(16_000)
    t.match(await page.getByRole('status').innerText(), 'Connected', `${path} waits for an answer`)
    await page.clock.fastForward(6_000)
    await page.getByRole('status').getByText('Disconnected').waitFor()

    server.process.kill('SIGCONT')
    await page.clock.fastForward(60_000)
    await connected(page)
    await page.context().close()
  }
})

t.test('SIGTERM ends the server cleanly while browsers are connected', async (t) => {
  const server = await spawnSandbox(t)
  const page = await visit(`${server.url}/ping/`)
  await connected(page)
  // What a browser opens ahead of need, and sends nothing on. Connections are accepted in order.
  const idle = createConnection(server.port, '127.0.0.1')
  t.teardown(() => idle.destroy())
  await once(idle, 'connect')
  await page.request.get(server.url)

  server.process.kill('SIGTERM')
  const [code, signal] = await once(server.process, 'exit')
  t.equal(code, 0)
  t.equal(signal, null)
  await page.getByRole('status').getByText('Disconnected').waitFor()
})

t.test('it listens on every address of localhost, for pages and for sockets', async (t) => {
  const server = await spawnSandbox(t, 0, 'localhost')
  for (const { address, family } of await lookup('localhost', { all: true })) {
    const host = `${family === 6 ? `[${address}]` : address}:${server.port}`
    t.equal((await fetch(`http://${host}/echo/`)).status, 200, host)
    const socket = new WebSocket(`ws://${host}/ws/echo`)
    t.teardown(() => socket.terminate())
    await once(socket, 'open')
    socket.send('hello')
    const [data] = await once(socket, 'message')
    t.equal(String(data), 'hello')
  }
})

t.test('pages in one process and views in another, with Redis between them', async (t) => {
  const redis = await startRedis(t)
  const secret = 'the same secret in both of the processes'
  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
  const views = await buildApp({ part: 'views', redis: redis.url, origin, secret })
  t.teardown(() => views.close())
  await views.listen({ host: '127.0.0.1', port: 0 })
  const pages = await buildApp({ part: 'pages', redis: redis.url, baseUrl: views.listeningOrigin.replace('http', 'ws'), secret })
  t.teardown(() => pages.close())
  await pages.listen({ host: '127.0.0.1', port })
  t.equal((await fetch(`${views.listeningOrigin}/chat/`)).status, 404)

  const ada = await visit(`${origin}/chat/`)
  await joinChat(ada, 'Ada', 'Teal')
  await ada.getByLabel('Message').fill('from one process to the other')
  await ada.getByLabel('Message').press('Enter')
  await lastSaid(ada, 'from one process')
  t.equal(await ada.getByRole('log').locator('.from').innerText(), 'Ada', 'both know the session')

  await redis.kill()
  await ada.getByLabel('Message').fill('while Redis is away')
  await ada.getByLabel('Message').press('Enter')
  const alert = ada.locator('#say').getByRole('alert')
  await alert.getByText('Not available at the moment').waitFor()
  t.equal(await ada.getByLabel('Message').inputValue(), 'while Redis is away', 'errors of the whole message stand on top, and it is kept')
})

t.test('pages allow nothing from elsewhere, but their own socket', async (t: Test) => {
  const app = await buildApp()
  t.teardown(() => app.close())
  for (const path of ['/', '/chat/', '/echo/', '/ping/']) {
    const { statusCode, headers, body } = await app.inject({ url: path, headers: { host: 'localhost:8000' } })
    t.equal(statusCode, 200, path)
    t.match(headers['content-security-policy'], /default-src 'none'.*connect-src 'self' ws:\/\/localhost:8000/)
    t.notMatch(body, /<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|(src|href)="(https?:)?\/\//)
  }
  t.equal((await app.inject('/chat')).headers.location, '/chat/')
})

t.test('the form refuses a colour that is not there, and the forms of other sites', async (t: Test) => {
  const app = await buildApp()
  t.teardown(() => app.close())
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const wrong = await app.inject({ method: 'POST', url: '/chat/', headers, payload: 'name=Ada&colour=%3Cb%3E' })
  t.equal(wrong.statusCode, 400)
  t.match(wrong.body, /id="colour-error" class="error">Select a valid choice/)
  t.equal(wrong.headers['set-cookie'], undefined, 'no session begins')

  const foreign = await app.inject({ method: 'POST', url: '/chat/', headers: { ...headers, 'sec-fetch-site': 'cross-site' }, payload: 'name=Ada&colour=blue' })
  t.equal(foreign.statusCode, 403)

  const good = await app.inject({ method: 'POST', url: '/chat/', headers, payload: 'name=Ada&colour=blue' })
  t.equal(good.statusCode, 303)
  t.equal(good.headers.location, '/chat/')
})

t.test('without a name there is no socket', async (t: Test) => {
  const app = await buildApp()
  t.teardown(() => app.close())
  await app.listen({ host: '127.0.0.1', port: 0 })
  const socketUrl = app.listeningOrigin + new URL(app.wsUrl('chat'), 'ws://x').pathname
  t.equal((await app.inject('/chat/name')).statusCode, 401)
  t.equal((await fetch(socketUrl)).status, 401)
})
