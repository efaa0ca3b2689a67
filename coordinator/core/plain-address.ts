/** Virtual addresses are all /32 or /128: saying so with each hides what matters. */
export const plain = (address: string): string => address.replace(/\/(32|128)$/, '');
