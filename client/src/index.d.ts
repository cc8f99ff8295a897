/** A page's IndexedDB data, backed up and kept in step through NiFi. */

export interface Record {
  store: string
  key: IDBValidKey
}

export interface Environment {
  indexedDB?: IDBFactory
  fetch?: typeof fetch
  locks?: Pick<LockManager, 'request'>
  BroadcastChannel?: typeof BroadcastChannel
  document?: Document
  now?: () => number
  random?: () => string
}

/** Where the sidecar is: `url` of `nifi-idb serve`, or the addresses of a NiFi flow such as live-sync. */
export interface Addresses {
  /** Where `nifi-idb serve` listens, such as `https://sync.shop.example`. */
  url?: string
  /** Instead: an address that takes batches, such as `https://nifi.example/sync/{source}`. A full batch has no bound of size. */
  syncUrl?: string
  /**
   * And one that says how far a source is acknowledged, such as `https://nifi.example/sources/{source}`: where it is given, a 200 with
   * an empty body means that the batch was taken.
   */
  sourcesUrl?: string
  /** Bucket and flow, if the server lets clients name them. */
  bucket?: string
  flow?: string
  /** For each request, such as `{ authorization: 'Bearer …' }`; a function is asked each time, so also after a 401. */
  headers?: globalThis.Record<string, string> | (() => globalThis.Record<string, string> | Promise<globalThis.Record<string, string>>)
}

export interface ClientOptions extends Addresses {
  database: string
  /** The object stores that may be sent. No other is looked at. */
  stores: string[]
  /** How changes are found: written down with each write (`oplog`, the default), or by comparing all records (`scan`). */
  mode?: 'oplog' | 'scan'
  /** Whether changes of others are applied here; the default is true. */
  twoWay?: boolean
  /** A name that outlives the data, such as one that the server binds to a credential. Without it each life has its own. */
  source?: string
  /** Milliseconds from a write to a sync (500), and between syncs without one (30000; 0: never). */
  delay?: number
  interval?: number
  /** Bounds of one batch: 500 operations, 1 MiB. */
  maxBatchOps?: number
  maxBatchBytes?: number
  /** A Blob with more bytes is named by its digest, and its bytes are not sent: 8 MiB. */
  maxBlobBytes?: number
  /** Milliseconds that one request may take, and between which retries are. */
  timeout?: number
  minRetry?: number
  maxRetry?: number
  /** Milliseconds after which a batch that was taken, but not acknowledged, is sent again: an hour. */
  custodyTimeout?: number
  env?: Environment
}

export interface Conflict extends Record {
  type: 'conflict'
  kind: string
  rule: string
  winner: 'head' | 'incoming' | 'merged' | 'none'
  /** For `unique-index`: the key of the stored record that has the index key, in the form of the report. */
  other?: unknown
  reason?: string
}

export interface Status {
  /**
   * `sending`: also while what was taken is not acknowledged. `offline`, `failed`: tries again, the latter seldom, for somebody should look.
   * `full`: no room to write changes down; once there is, everything is sent.
   */
  phase: 'idle' | 'sending' | 'offline' | 'held' | 'failed' | 'full'
  /** Why, for a person; in `idle`: what may be a mistake. */
  message?: string
  /** What waits for `confirm()` or `restart()`, here, in another tab, or of somebody at the sidecar. */
  held?: {
    reason: 'scan' | 'guard' | 'history'
    plan?: string
    message?: string
    stores?: { store: string; deletes: number }[]
  }
  /** Operations that are not acknowledged. */
  pending: number
  capturing: boolean
  source?: string
  /** The flow version that the last answer named, and the one up to which everything is applied here. */
  version?: number
  base?: number
  /** Conflicts that wait for a person; the newest one of each record and kind, at most 100. */
  conflicts: Conflict[]
}

export interface Change extends Record {
  op: 'put' | 'delete'
}

export interface ClientEvents {
  /** After each sync. */
  status: CustomEvent<Status>
  /** Whenever that changes, also in the middle of a sync. */
  phase: CustomEvent<Pick<Status, 'phase' | 'message'>>
  /** Records were changed here by others; `elsewhere`: another tab did it. */
  applied: CustomEvent<{ changes: Change[]; elsewhere: boolean }>
  conflict: CustomEvent<Conflict>
  resolved: CustomEvent<{ type: 'resolved'; id: unknown; use: unknown; line: unknown }>
  /** A line that the sidecar could not take, as its report has it; `text` is the line that was sent. It is not sent again. */
  rejected: CustomEvent<{ line: number; reason: string; message: string; store?: string; text?: string; textBase64?: string }>
  /** One record could not be sent or applied; the others went their way. */
  skipped: CustomEvent<Record & { error?: Error }>
}

export class NifiClient extends EventTarget {
  constructor(options: ClientOptions)
  /** Writes down what this connection writes, in the same transactions (mode `oplog`). */
  capture<Database extends IDBDatabase>(db: Database): Database
  /** The same for every connection that is opened through it: `new Dexie('shop', { indexedDB: client.factory() })`. */
  factory(factory?: IDBFactory): IDBFactory
  /** Syncs by itself from now on. */
  start(): this
  /** Ends; what is pending stays for the next time. */
  close(): void
  /** Syncs now. Never throws. */
  sync(how?: { keepalive?: boolean }): Promise<Status>
  /** Syncs soon. */
  wake(delay?: number): void
  /** Lets what `status().held` says through. After a `scan` the sidecar's `guard` may ask again. */
  confirm(): Promise<Status>
  /** Begins a new life: everything is sent again, nothing is deleted there. */
  restart(): Promise<Status>
  status(): Promise<Status>
  addEventListener<Type extends keyof ClientEvents>(
    type: Type,
    listener: (event: ClientEvents[Type]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void
  addEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions): void
}

/** Creates the client's object stores; call it in `onupgradeneeded`. */
export function nifiStores(db: IDBDatabase): void

/** The same for Dexie: `db.version(2).stores({ data: 'id, index', ...dexieStores })`. */
export const dexieStores: globalThis.Record<string, string>

export interface RestoreOptions extends Addresses {
  database: string
  mode?: 'oplog' | 'scan'
  source?: string
  /** A flow version, or `latest`. */
  version?: number | 'latest'
  /** Where versions are, if not beside `url`. */
  versionsUrl?: string
  /** Cancels it, as a failure would. */
  signal?: AbortSignal
  onProgress?: (progress: { phase: 'read' | 'try' | 'write' | 'verify'; records: number; of?: number }) => void
  env?: Environment
}

export interface Restored {
  version: number
  /** The newest version when it was restored. */
  head: number
  records: number
  /** Records that this browser could not make. */
  skipped: (Record & { error: Error })[]
  /** Changes that will make the newest version equal to the restored one. */
  changes: number
}

/**
 * Replaces a database by a stored version, and proves it record by record. If it fails before the deletion nothing has changed, after it
 * the database is removed.
 */
export function restore(options: RestoreOptions): Promise<Restored>

/** Asks the browser to keep the data, and says what came of it. */
export function persist(storage?: StorageManager): Promise<{ persisted: boolean; reason: string; usage?: number; quota?: number }>
