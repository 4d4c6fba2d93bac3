/** What a token of an application may do (the Svix API's names). A token that names none may do all. */
export const capabilities = [
  'ViewBase',
  'ViewEndpointSecret',
  'ManageEndpointSecret',
  'ManageTransformations',
  'CreateAttempts',
  'ManageEndpoint',
] as const;
export type Capability = (typeof capabilities)[number];

/** Which capabilities are as good as this one. Everybody may look. */
const grantedBy: Readonly<Record<Capability, readonly Capability[]>> = {
  ViewBase: capabilities,
  ViewEndpointSecret: ['ViewEndpointSecret', 'ManageEndpointSecret', 'ManageEndpoint'],
  ManageEndpointSecret: ['ManageEndpointSecret', 'ManageEndpoint'],
  ManageTransformations: ['ManageTransformations'],
  CreateAttempts: ['CreateAttempts'],
  ManageEndpoint: ['ManageEndpoint'],
};

/** Whether those who hold `granted` may do what needs `needed`. null: may do all. */
export const allows = (granted: readonly string[] | null, needed: Capability): boolean =>
  granted === null || needed === 'ViewBase' || grantedBy[needed].some((one) => granted.includes(one));

/** What an operation needs unless it says otherwise: reading is open, writing is not. */
export const needsOf = (method: string): Capability => (method === 'get' ? 'ViewBase' : 'ManageEndpoint');
