// SPDX-License-Identifier: Apache-2.0
//
// The empty program that each room's library is linked into, whole, to see that it stands alone.
int main() { return 0; }
